"""What people do about a run: approve, deny, cancel, stop everything."""

from datetime import timedelta

import pytest

from runbooks import services
from runbooks.domain.states import ENDED, WrongState
from runbooks.models import Step
from tests.runbooks.world import ANN, asking, holding

pytestmark = pytest.mark.django_db


def test_a_person_cancels_and_it_is_taken_back_at_once() -> None:
    w = holding()
    services.cancel(run_id=w.run().id, by=ANN, reason="not now", now=w.now)
    assert w.live() == []
    w.until("CANCELLED")
    assert w.run().steps[-2].actor == "ann"


def test_a_cancelled_proposal_ends_without_a_trace_on_the_tier() -> None:
    w = asking()
    services.cancel(run_id=w.run().id, by=ANN, reason="not now", now=w.now)
    assert w.states() == ["CANCELLED"]
    with pytest.raises(WrongState):
        services.cancel(run_id=w.run().id, by=ANN, reason="again", now=w.now)


def test_a_denied_run_ends_and_is_not_asked_again_in_the_cooldown() -> None:
    w = asking()
    services.deny(run_id=w.run().id, by=ANN, reason="no", now=w.now)
    w.ticks(12)
    assert w.states() == ["DENIED"]
    w.ticks(10)
    assert w.states() == ["AWAITING_APPROVAL", "DENIED"]


def test_nobody_approves_and_it_expires() -> None:
    w = asking()
    w.until("EXPIRED")


def test_a_storm_that_is_over_is_not_asked_about() -> None:
    w = asking()
    w.healthy()
    w.until("NOT_CONFIRMED")


def test_the_symptom_is_confirmed_again_after_the_approval() -> None:
    w = asking()
    w.healthy()
    w.approve()
    w.until("NOT_CONFIRMED")
    assert w.live() == []


def test_an_approval_is_for_the_plan_that_was_looked_at() -> None:
    w = asking()
    with pytest.raises(services.PlanChanged):
        services.approve(run_id=w.run().id, plan_hash="another", by=ANN, reason="", now=w.now)


def test_an_approval_after_its_time_is_refused() -> None:
    w = asking()
    with pytest.raises(services.ApprovalOver):
        services.approve(
            run_id=w.run().id,
            plan_hash=w.run().plan_hash,
            by=ANN,
            reason="",
            now=w.now + timedelta(minutes=5),
        )


def test_a_plan_that_changes_after_the_approval_is_asked_again() -> None:
    w = asking(remedy="retry_budget")
    w.approve()
    w.canary_begins()
    w.until("CONFIRMING")
    w.until("AWAITING_APPROVAL")
    assert w.live() == ["route/shop/weights"]
    assert len(w.run().approvals) == 1


def test_without_naming_it_only_the_first_plan_can_be_approved() -> None:
    w = asking()
    run = w.run()
    Step.objects.create(
        run_id=run.id, version=99, at=w.now, event="ask", state="AWAITING_APPROVAL", actor="", why=""
    )
    with pytest.raises(services.PlanNotNamed):
        services.approve(run_id=run.id, plan_hash=None, by=ANN, reason="", now=w.now)
    services.approve(run_id=run.id, plan_hash=run.plan_hash, by=ANN, reason="", now=w.now)


def test_a_run_that_asked_once_can_be_approved_without_naming_its_plan() -> None:
    w = asking()
    services.approve(run_id=w.run().id, plan_hash=None, by=ANN, reason="", now=w.now)
    assert [a.plan_hash for a in w.run().approvals] == [w.run().plan_hash]


def test_the_kill_switch_stops_and_takes_back() -> None:
    w = holding()
    services.set_kill_switch(on=True, by=ANN, reason="freeze", now=w.now)
    w.until("FAILED_REVERTED")
    w.storm()
    w.ticks(40)
    assert w.live() == []
    assert set(w.states()) <= set(ENDED)
