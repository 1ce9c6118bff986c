"""The dead man's switch: what lets it go, and that nothing else does."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

import alerts.services
from access.domain.roles import Role
from alerts.models import Alert, Heartbeat, Outbox
from dashboard import alive as switch
from dashboard.domain import alive
from dashboard.domain.alive import Beat, Facts
from lab.http import Request, Response
from outbound.posting import Outbound
from outbound.secrets import Secrets
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.series import Sample
from tests.pages import world
from tests.support.people import person
from tests.support.serving import serving

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WELL = Facts(
    beats=[Beat(name, SECOND, SECOND) for name in alive.NEEDED],
    tiers=["edge"],
    scraped={"edge": NOW - 3 * SECOND},
    waiting_since=None,
)


def failing(facts: Facts) -> list[str]:
    return [check.name for check in alive.checks(facts, now=NOW) if not check.holds]


def test_while_all_is_well_it_is_alive() -> None:
    assert failing(WELL) == []
    assert alive.alive(alive.checks(WELL, now=NOW))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"beats": WELL.beats[1:]}, "ticks"),
        ({"beats": [*WELL.beats, Beat("counts", timedelta(minutes=4), timedelta(minutes=1))]}, "ticks"),
        ({"beats": [*WELL.beats[1:], Beat("canary", timedelta(seconds=61), SECOND)]}, "ticks"),
        ({"scraped": None, "trouble": "connection refused"}, "prometheus"),
        ({"scraped": {}}, "prometheus"),
        ({"scraped": {"edge": NOW - timedelta(seconds=61)}}, "prometheus"),
        ({"tiers": ["edge", "inner"]}, "prometheus"),
        ({"waiting_since": NOW - timedelta(seconds=121)}, "outbox"),
        ({"receivers": "notify.yaml: is no YAML"}, "receivers"),
    ],
)
def test_each_condition_lets_it_go(change: dict[str, Any], name: str) -> None:
    assert failing(replace(WELL, **change)) == [name]


@pytest.mark.parametrize(
    "change",
    [
        {"beats": [*WELL.beats, Beat("counts", timedelta(minutes=2), timedelta(minutes=1))]},
        {"waiting_since": NOW - timedelta(seconds=119)},
        {"tiers": [], "scraped": {}},
    ],
    ids=["a slow part", "a busy outbox", "no proxy is connected"],
)
def test_what_is_only_slow_does_not(change: dict[str, Any]) -> None:
    assert failing(replace(WELL, **change)) == []


@dataclass
class Scrapes:
    """A Prometheus that knows when a tier was last scraped, or is away."""

    at: datetime | None = NOW
    asked: list[str] = field(default_factory=list)

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        self.asked.append(promql)
        if self.at is None:
            raise MetricsUnavailable("connection refused")
        return (Sample({"tier": "edge"}, self.at.timestamp(), at),)


@dataclass
class Watcher:
    """The address that is pinged."""

    port: int = 0
    status: int = 200
    seen: list[Request] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.seen.append(request)
        return Response(self.status)


@pytest.fixture
def watcher(settings: Any) -> Iterator[Watcher]:
    found = Watcher()
    with serving(found.answer) as port:
        found.port = port
        settings.PING_URL = f"http://hc-ping.test:{port}/4b8c-secret"
        yield found


def tick(now: datetime, metrics: Any) -> bool:
    nobody = Secrets(environment={}, folder=Path("/nonexistent"))
    post = Outbound(nobody, frozenset(), resolve=lambda host, port: ["127.0.0.1"])
    return switch.tick(metrics=metrics, post=post, now=now)


def beats(now: datetime) -> None:
    for name in alive.NEEDED:
        alerts.services.beat(name=name, now=now, every=SECOND)


@pytest.mark.django_db
def test_it_pings_once_a_minute_while_all_is_well(watcher: Watcher) -> None:
    for seconds in range(0, 121, 15):
        now = NOW + timedelta(seconds=seconds)
        beats(now)
        assert tick(now, Scrapes(now))
    assert len(watcher.seen) == 3
    assert (watcher.seen[0].method, watcher.seen[0].path) == ("POST", "/4b8c-secret")


@pytest.mark.django_db
def test_a_ping_that_is_not_taken_is_tried_at_the_next_tick(watcher: Watcher) -> None:
    watcher.status = 500
    beats(NOW)
    tick(NOW, Scrapes())
    watcher.status = 200
    tick(NOW + 15 * SECOND, Scrapes())
    assert len(watcher.seen) == 2


def stop_ticking() -> None:
    Heartbeat.objects.filter(name="canary").update(at=NOW - timedelta(minutes=5))


def hold_a_message() -> None:
    alerts.services.tell(
        key="a", kind="INFO", incident_id=None, heading="hello", now=NOW - timedelta(minutes=5)
    )


@pytest.mark.django_db
@pytest.mark.parametrize("breaks", [stop_ticking, hold_a_message])
def test_no_ping_while_something_does_not_hold(watcher: Watcher, breaks: Any) -> None:
    beats(NOW)
    breaks()
    assert not tick(NOW, Scrapes())
    assert watcher.seen == []


@pytest.mark.django_db
def test_no_ping_while_prometheus_is_away(watcher: Watcher) -> None:
    world.tier(NOW)
    beats(NOW)
    assert not tick(NOW, Scrapes(None))
    assert not tick(NOW, Scrapes(NOW - timedelta(minutes=2)))
    assert watcher.seen == []


@pytest.mark.django_db
def test_what_does_not_hold_for_a_minute_is_an_incident_and_its_end_is_told() -> None:
    for seconds in range(0, 91, 15):
        now = NOW + timedelta(seconds=seconds)
        beats(now)
        tick(now, Scrapes(None))
    (found,) = Alert.objects.filter(state="FIRING")
    assert found.labels == {"part": "prometheus"}
    Outbox.objects.all().delete()
    for seconds in range(105, 241, 15):
        now = NOW + timedelta(seconds=seconds)
        beats(now)
        tick(now, Scrapes(now))
    assert not Alert.objects.filter(state="FIRING").exists()


@pytest.mark.django_db
def test_the_page_shows_each_condition_and_never_the_pings_path(client: Client, settings: Any) -> None:
    settings.PING_URL = "https://hc-ping.test/4b8c-secret"
    client.force_login(person(Role.VIEWER))
    answer = client.get("/automation/")
    said = answer.content.decode()
    assert answer.status_code == 200
    for words in (
        "The automation ticks",
        "canary has never ticked",
        "hc-ping.test",
        "No: do not rely on it.",
    ):
        assert words in said
    assert "4b8c-secret" not in said


@pytest.mark.django_db
def test_a_watcher_outside_hears_no_more_than_it_needs(client: Client) -> None:
    answer = client.get("/alivez")
    assert answer.status_code == 503
    assert answer.json()["alive"] is False
    assert "ticks" in answer.json()["failing"]
    assert set(answer.json()) == {"alive", "failing"}
