"""Whatever happens in whatever order: the invariants of a run."""

import itertools
from collections.abc import Callable

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

import alerts.selectors
import audit.selectors
import proxy.selectors
from runbooks import listed, selectors, services
from runbooks.domain.states import ACTING, ENDED, OPEN, RUN, WrongState
from runbooks.models import Approval, Run, Step
from runbooks.services import acting
from telemetry.domain.errors import MetricsUnavailable
from tests.runbooks.world import ANN, World, world

pytestmark = pytest.mark.django_db

LONGEST = 400


class Killed(BaseException):
    """Stands for SIGKILL in the middle of a round."""


def approve(w: World) -> None:
    run = selectors.runs()[0] if selectors.runs() else None
    if run is not None and run.can_approve:
        w.approve()


def cancel(w: World) -> None:
    for run in selectors.runs(open_only=True):
        if run.can_cancel:
            services.cancel(run_id=run.id, by=ANN, reason="stop", now=w.now)


def deny(w: World) -> None:
    for run in selectors.runs(open_only=True):
        if run.can_approve:
            services.deny(run_id=run.id, by=ANN, reason="no", now=w.now)


def killed_while_putting(w: World) -> None:
    """A round whose worker dies at its write, if it comes to that."""
    real = acting.put

    def dies(*args: object, **kwargs: object) -> int:
        raise Killed

    acting.put = dies
    try:
        w.tick()
    except Killed:
        pass
    finally:
        acting.put = real


EVENTS: dict[str, Callable[[World], None]] = {
    "storm": World.storm,
    "retries off": World.retries_off,
    "healthy": World.healthy,
    "no data": lambda w: w.metrics.fail(MetricsUnavailable("down")),
    "data": lambda w: w.metrics.fail(None),
    "proxies deaf": lambda w: setattr(w, "acking", False),
    "proxies hear": lambda w: setattr(w, "acking", True),
    "approve": approve,
    "cancel": cancel,
    "deny": deny,
    "killed": killed_while_putting,
    "auto": lambda w: w.mode("auto"),
    "observe": lambda w: w.mode("observe"),
    "kill switch": lambda w: services.set_kill_switch(on=True, by=ANN, reason="", now=w.now),
    "kill switch off": lambda w: services.set_kill_switch(on=False, by=ANN, reason="", now=w.now),
    "round": World.tick,
    "rounds": lambda w: w.ticks(4),
    "long absence": lambda w: w.tick(120),
}


def check(w: World) -> None:
    """What must hold between any two events."""
    live = proxy.selectors.live_overlays("edge", now=w.now)
    runs = {f"run/{run.pk}": run for run in Run.objects.all()}
    assert all(runs[overlay.owner].state in ACTING for overlay in live)
    assert all(overlay.expires_at > w.now for overlay in live)
    assert len({overlay.target for overlay in live}) == len(live)
    assert sum(run.state in OPEN for run in runs.values()) <= 1
    assert all(run.ended_at is not None for run in runs.values() if run.state in ENDED)
    steps = {(step.run_id, step.version) for step in Step.objects.all()}
    assert steps == {(run.pk, version) for run in runs.values() for version in range(1, run.version + 1)}
    audited = [
        (e.detail["run"], e.detail["version"]) for e in audit.selectors.entries(action="run.", limit=5000)
    ]
    assert sorted(audited) == sorted(steps)


def check_history() -> None:
    """Every step follows the table, and nothing was done without its intent and its approval."""
    for run in Run.objects.all():
        history = list(run.steps.order_by("version"))
        for before, after in itertools.pairwise(history):
            assert RUN[before.state][after.event] == after.state
        events = [step.event for step in history]
        assert "put" not in events or "mitigate" in events[: events.index("put")]
        if "ask" in events and "mitigate" in events:
            used = Approval.objects.filter(run=run).exclude(used_at=None)
            assert [a.plan_hash for a in used] == [run.plan_hash]


def play(events: list[str]) -> None:
    w = world()
    w.mode("approve")
    for name in events:
        EVENTS[name](w)
        check(w)
    check_history()
    # Liveness: once faults stop, every run ends and every overlay is gone.
    w.metrics.fail(None)
    w.acking = True
    w.healthy()
    services.set_kill_switch(on=False, by=ANN, reason="", now=w.now)
    for _ in range(LONGEST):
        if not selectors.runs(open_only=True):
            break
        w.tick()
    check(w)
    check_history()
    assert selectors.runs(open_only=True) == []
    assert w.live() == []
    assert [t.owner for t in proxy.selectors.targets("edge") if t.owner] == []


@given(events=st.lists(st.sampled_from(sorted(EVENTS)), max_size=25))
@settings(max_examples=30, deadline=None)
def test_no_order_of_events_breaks_an_invariant(events: list[str]) -> None:
    with transaction.atomic():
        play(events)
        transaction.set_rollback(True)


@given(
    events=st.lists(
        st.sampled_from(
            ["storm", "auto", "rounds", "killed", "cancel", "retries off", "proxies deaf", "approve"]
        ),
        min_size=8,
        max_size=20,
    )
)
@settings(max_examples=20, deadline=None)
def test_no_order_of_storms_deaths_and_cancels_breaks_an_invariant(events: list[str]) -> None:
    with transaction.atomic():
        play(["auto", "storm", *events])
        transaction.set_rollback(True)


def test_nothing_leaves_an_ended_state() -> None:
    assert all(not RUN[state] for state in ENDED)
    assert all(RUN[state] for state in OPEN)


@pytest.mark.parametrize("state", ENDED)
def test_an_ended_run_is_not_approved_denied_or_cancelled(state: str) -> None:
    w = world()
    w.storm()
    w.until("AWAITING_APPROVAL")
    Run.objects.update(state=state, ended_at=w.now)
    number = w.run().id
    for call in (services.cancel, services.deny):
        with pytest.raises(WrongState):
            call(run_id=number, by=ANN, reason="", now=w.now)


def test_looking_at_runs_writes_and_sends_nothing() -> None:
    w = world()
    w.storm()
    w.until("AWAITING_APPROVAL")
    before = (len(audit.selectors.entries(limit=5000)), len(alerts.selectors.messages()))
    selectors.run(w.run().id)
    listed.runbooks()
    assert (len(audit.selectors.entries(limit=5000)), len(alerts.selectors.messages())) == before
