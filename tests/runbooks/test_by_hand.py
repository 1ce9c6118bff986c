"""What people do by hand: start a runbook, take a run over, say yes in twos."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import alerts.selectors
import audit.selectors
from access.domain.roles import Role
from audit.domain.actor import Actor
from runbooks import services
from runbooks.domain.states import WrongState
from tests.runbooks.world import ANN, SECOND, World, asking, holding, world
from tests.support.people import person

pytestmark = pytest.mark.django_db

BOB, EVE = Actor("bob", "web"), Actor("eve", "api")
WRITES = ("INSERT", "UPDATE", "DELETE")


def dry(w: World) -> services.DryRun:
    return services.dry_run(runbook="retry-storm", tier="edge", subject="shop", metrics=w.metrics, now=w.now)


def start(w: World, *, plan_hash: str = "") -> int:
    return services.start(
        runbook="retry-storm",
        tier="edge",
        subject="shop",
        plan_hash=plan_hash or dry(w).plan.digest,
        metrics=w.metrics,
        by=ANN,
        reason="the pager said so",
        now=w.now,
    )


def approve(w: World, by: Actor) -> None:
    run = w.run()
    services.approve(run_id=run.id, plan_hash=run.plan_hash, by=by, reason="", now=w.now)


def test_a_dry_run_shows_the_plan_and_writes_and_sends_nothing() -> None:
    w = world()
    w.storm()
    with CaptureQueriesContext(connection) as captured:
        found = dry(w)
    assert any("num_retries" in change for change in found.plan.changes)
    assert (found.says[:6], found.stops) == ("80.0 %", "")
    assert [query["sql"] for query in captured if query["sql"].startswith(WRITES)] == []
    assert alerts.selectors.messages() == []


def test_a_dry_run_says_what_would_stop_it() -> None:
    w = world()
    services.set_kill_switch(on=True, by=ANN, reason="freeze", now=w.now)
    assert dry(w).stops == "the kill switch is on"


def test_a_person_starts_it_where_no_symptom_is_seen_and_it_goes_all_the_way() -> None:
    w = world()
    w.mode("observe")
    start(w)
    w.until("HOLDING")
    assert w.live() == ["route/shop/retry"]
    assert "AWAITING_APPROVAL" not in w.history()
    w.until("SUCCEEDED")
    assert w.live() == []
    assert alerts.selectors.open_incidents() == []
    assert [entry.actor for entry in audit.selectors.entries(action="run.propose")] == ["ann"]


def test_a_start_is_of_the_plan_that_was_looked_at() -> None:
    w = world()
    with pytest.raises(services.PlanChanged):
        start(w, plan_hash="another")
    assert w.states() == []


def test_a_plan_that_changes_before_it_acts_is_asked_about() -> None:
    w = world(remedy="retry_budget")
    start(w)
    w.canary_begins()
    w.until("AWAITING_APPROVAL")
    assert w.run().why == "ann started it; the plan has changed since"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ({"subject": "nope"}, "tier edge has no route nope"),
        ({"runbook": "slo-burn", "subject": "shop"}, "it has no machine's part"),
    ],
)
def test_what_cannot_be_started_says_why(target: dict[str, str], why: str) -> None:
    w = world()
    given = {"runbook": "retry-storm", "tier": "edge", **target}
    with pytest.raises(services.CannotStart, match=why):
        services.dry_run(**given, metrics=w.metrics, now=w.now)


def test_one_run_is_open_on_a_target() -> None:
    w = world()
    start(w)
    with pytest.raises(services.CannotStart, match="open on it already"):
        start(w)


def test_four_eyes_are_of_two_different_people() -> None:
    w = asking(approvals=2)
    approve(w, BOB)
    assert w.states() == ["AWAITING_APPROVAL"]
    with pytest.raises(services.AnotherPerson, match="somebody else"):
        approve(w, BOB)
    approve(w, EVE)
    w.until("VERIFYING")
    assert {row.by for row in w.run().approvals if row.used_at} == {"bob", "eve"}


def test_the_first_yes_does_not_lengthen_the_time_to_approve() -> None:
    w = asking(approvals=2)
    ends = w.run().approve_by
    w.now += SECOND
    approve(w, BOB)
    assert w.run().approve_by == ends


def test_who_started_a_run_is_none_of_the_four_eyes() -> None:
    w = world(approvals=2)
    start(w)
    w.until("AWAITING_APPROVAL")
    with pytest.raises(services.AnotherPerson, match="others have to"):
        approve(w, ANN)
    approve(w, BOB)
    approve(w, EVE)
    w.until("HOLDING")


def take(w: World) -> int:
    number = w.run().id
    services.take(run_id=number, by=ANN, reason="let me look", now=w.now)
    return number


def test_a_run_that_a_person_has_taken_is_not_moved_and_its_overlay_stays() -> None:
    w = holding()
    take(w)
    w.healthy()
    w.ticks(20)
    assert (w.states(), w.live()) == (["TAKEN"], ["route/shop/retry"])
    assert w.run().taken_by == "ann"


def test_a_taken_run_ends_with_its_overlay() -> None:
    w = holding()
    take(w)
    w.until("SUCCEEDED", rounds=80)
    assert w.live() == []


def test_the_kill_switch_ends_a_taken_run_too() -> None:
    w = holding()
    take(w)
    services.set_kill_switch(on=True, by=ANN, reason="freeze", now=w.now)
    w.until("FAILED_REVERTED")
    assert w.live() == []


def test_a_person_extends_what_is_taken_within_the_limit() -> None:
    w = holding(longest="10m")
    number, until = take(w), w.now + timedelta(minutes=5)
    services.extend(run_id=number, until=until, by=ANN, reason="", now=w.now)
    w.tick(240)
    assert (w.states(), w.live()) == (["TAKEN"], ["route/shop/retry"])
    with pytest.raises(services.TooLong, match="at most until"):
        services.extend(run_id=number, until=w.now + timedelta(minutes=9), by=ANN, reason="", now=w.now)
    assert w.run().overlay_expires_at == until


def test_what_is_given_back_is_verified_anew() -> None:
    w = holding()
    number = take(w)
    services.give_back(run_id=number, by=ANN, reason="yours", now=w.now)
    w.until("HOLDING")
    w.healthy()
    w.until("SUCCEEDED")


def test_a_taken_run_is_reverted_by_a_person() -> None:
    w = holding()
    services.cancel(run_id=take(w), by=ANN, reason="enough", now=w.now)
    assert w.live() == []
    w.until("CANCELLED")


def test_the_run_s_page_offers_what_can_be_done_and_does_it(client: Client) -> None:
    w = holding()
    page = f"/runs/{w.run().id}/"
    client.force_login(person(Role.OPERATOR))
    assert "Take over" in client.get(page).content.decode()
    client.post(f"{page}take/", {"reason": "let me look"})
    assert {"Give back", "Change the end"} <= {act.label for act in client.get(page).context["acts"]}
    client.post(f"{page}extend/", {"minutes": 60 * 24 * 7, "reason": "the weekend"})
    assert "Nothing was changed: at most until" in client.get(page).content.decode()
    client.post(f"{page}give-back/", {"reason": "yours"})
    assert [step.event for step in w.run().steps[-2:]] == ["take", "give_back"]


def test_what_has_not_acted_yet_is_not_taken_over() -> None:
    w = asking()
    with pytest.raises(WrongState):
        take(w)
