"""A runbook held against what was recorded: by the same judge as a run, tick by tick."""

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import proxy.selectors
from access.domain.roles import Role
from runbooks import selectors, services
from runbooks.services.rehearsing import Rehearsed
from telemetry.domain import catalogue
from telemetry.memory import Answer
from tests.runbooks.world import ANN, START, World, world
from tests.support.people import person

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
ARM = {"route": "shop", "arm": "shop-v1"}
# Per second, from so many seconds on: first attempts, retries, of them failing, failed first attempts.
RECORDED = [
    (0, (100.0, 0.0, 0.0, 0.0)),
    (60, (100.0, 80.0, 60.0, 50.0)),
    (70, (100.0, 0.0, 0.0, 50.0)),
    (120, (100.0, 0.0, 0.0, 0.0)),
]


def recorded(w: World, *, since: datetime) -> None:
    """A storm of ten seconds that somebody ended by taking retries off."""

    def at(part: int) -> Any:
        def answer(moment: datetime) -> Answer:
            return [
                (ARM, [values for second, values in RECORDED if since + second * SECOND <= moment][-1][part])
            ]

        return answer

    window = selectors.policy(runbook="retry-storm", tier=proxy.selectors.base("edge")).lookback
    asked: dict[str, Any] = {"tier": "edge", "window": window}
    parts = (catalogue.first_attempts, catalogue.retries, catalogue.failed_retries)
    for part, query in enumerate((*parts, catalogue.first_attempt_errors)):
        w.metrics.answer(query(**asked), at(part))


def rehearsed(w: World, *, seconds: float = 300) -> Rehearsed:
    end = START + timedelta(seconds=seconds)
    return services.rehearse(runbook="retry-storm", tier="edge", start=START, end=end, metrics=w.metrics)


def test_it_says_when_it_would_have_detected_confirmed_acted_verified_and_taken_back() -> None:
    w = world()
    recorded(w, since=START)
    found = rehearsed(w)
    happened = [(moment.what, (moment.at - START).total_seconds()) for moment in found.moments["shop"]]
    assert happened == [
        ("detected", 60.0),
        ("confirmed", 66.0),
        ("acted", 66.0),
        ("verified", 84.0),
        ("over", 129.0),
    ]
    assert list(found.moments) == ["shop"]


def test_a_rehearsal_decides_as_a_run_does() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    for _ in range(40):
        w.tick(3)
        if w.states()[:1] == ["VERIFYING"]:
            w.retries_off()
    run = w.run()
    confirmed = next(step.at for step in run.steps if step.event == "mitigate")
    recorded(w, since=run.started_at - 60 * SECOND)
    found = services.rehearse(
        runbook="retry-storm",
        tier="edge",
        start=run.started_at - 60 * SECOND,
        end=run.started_at + 200 * SECOND,
        metrics=w.metrics,
    )
    assert [m.at for m in found.moments["shop"] if m.what == "acted"] == [confirmed]


def test_what_was_not_recorded_is_no_data_and_starts_nothing() -> None:
    w = world()
    w.metrics.answer(catalogue.scrape_age(tier="edge"), [({"proxy": "edge-1"}, 60.0)])
    recorded(w, since=START)
    found = rehearsed(w)
    assert (found.moments, found.judged) == ({}, 0)
    assert found.ticks > 0


def test_a_rehearsal_reads_in_pieces_and_writes_nothing() -> None:
    w = world()
    w.metrics.asked.clear()
    with CaptureQueriesContext(connection) as captured:
        rehearsed(w, seconds=3600)
    assert not [each for each in captured if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


@pytest.mark.parametrize("seconds", [0, 8 * 86_400])
def test_a_time_that_cannot_be_rehearsed_is_refused(seconds: float) -> None:
    with pytest.raises(services.CannotStart, match="begins before it ends"):
        rehearsed(world(), seconds=seconds)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("runbook", "retry-storm", "edge", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_shows_the_plan_though_prometheus_is_away() -> None:
    world()
    assert "it would switch retries off on shop" in command("--dry-run", "shop")


@pytest.mark.parametrize(
    "arguments", [["--rehearse"], ["--rehearse", "--from", "soon"], ["--dry-run", "nope"]]
)
def test_the_command_says_why_it_cannot(arguments: list[str]) -> None:
    world()
    with pytest.raises(CommandError) as caught:
        command(*arguments)
    assert caught.value.returncode == 2


def test_the_page_of_a_start_shows_the_plan_and_starts_exactly_that(client: Client) -> None:
    world()
    client.force_login(person(Role.OPERATOR))
    page = client.get("/runbooks/retry-storm/start/", {"tier": "edge", "subject": "shop"}).content.decode()
    assert "num_retries" in page
    plan = page.partition('name="plan_hash" value="')[2].partition('"')[0]
    given = {"tier": "edge", "subject": "shop", "plan_hash": plan, "reason": "drill"}
    answer = client.post("/runbooks/retry-storm/begin/", given)
    assert [row.by_hand for row in selectors.runs()] != [""]
    assert answer.status_code == 302


def test_every_page_shows_the_kill_switch_and_stops_runbooks(client: Client) -> None:
    client.force_login(person(Role.OPERATOR))
    assert "Stop every runbook" in client.get("/incidents/").content.decode()
    client.post("/runs/switch/", {"on": "on", "reason": "freeze"})
    assert selectors.kill_switch().on
    assert "The kill switch is on" in client.get("/incidents/").content.decode()


def test_a_viewer_sees_the_kill_switch_and_cannot_press_it(client: Client) -> None:
    services.set_kill_switch(on=True, by=ANN, reason="freeze", now=timezone.now())
    client.force_login(person(Role.VIEWER))
    page = client.get("/incidents/").content.decode()
    assert "The kill switch is on" in page
    assert "Let runbooks act again" not in page
    assert client.post("/runs/switch/", {"reason": "go"}).status_code == 403
