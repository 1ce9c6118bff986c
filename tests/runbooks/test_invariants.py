"""Whatever happens in whatever order: the invariants of runs, and that each guard is needed for them."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import alerts.selectors
import audit.selectors
from runbooks import selectors, services
from runbooks.domain.states import ENDED, OPEN, RUN, WrongState
from runbooks.models import Run
from tests.runbooks.invariants import check, unsettled
from tests.runbooks.rig import BOB, FIRST, ROUTES, SLUGS, Rig, rig, two_runbooks
from tests.runbooks.world import ANN, world

pytestmark = pytest.mark.django_db

LONGEST = 120
ROUTE = st.sampled_from(sorted(ROUTES))


class Runs(RuleBasedStateMachine):
    """Storms and healing, people, and a machine that dies, stalls, comes twice, is refused and not heard."""

    def __init__(self) -> None:
        super().__init__()
        self.rolled_back = transaction.atomic()
        self.rolled_back.__enter__()
        self.library = two_runbooks()
        self.library.__enter__()
        self.rig: Rig = rig()

    def teardown(self) -> None:
        try:
            self.rig.settle()
            for _ in range(LONGEST):
                if not Run.objects.open().exists():
                    break
                self.rig.tick(3)
            check(self.rig)
            # Liveness: once faults stop, every run ends and every overlay is gone.
            assert list(unsettled()) == []
        finally:
            self.library.__exit__(None, None, None)
            transaction.set_rollback(True)
            self.rolled_back.__exit__(None, None, None)

    @invariant()
    def holds(self) -> None:
        check(self.rig)

    @rule(route=ROUTE, on=st.sampled_from([True, True, False]))
    def storm(self, route: str, on: bool) -> None:
        self.rig.storms[route] = on

    @rule(count=st.integers(1, 4))
    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.rig.tick()

    @rule()
    def doubled(self) -> None:
        self.rig.twice()

    @rule(seconds=st.sampled_from([5, 20, 120]))
    def lost(self, seconds: int) -> None:
        self.rig.tick(seconds)

    @rule(at=st.integers(1, 25))
    def killed(self, at: int) -> None:
        self.rig.crash(at)

    @precondition(lambda self: self.rig.stalled is None)
    @rule()
    def stalled(self) -> None:
        self.rig.stall()

    @rule()
    def woken(self) -> None:
        self.rig.wake()

    @rule(on=st.booleans())
    def heard(self, on: bool) -> None:
        self.rig.acking = on

    @rule()
    def refused(self) -> None:
        self.rig.nack()

    @rule(on=st.booleans())
    def unmeasured(self, on: bool) -> None:
        self.rig.no_data(on)

    @rule(mode=st.sampled_from(["auto", "auto", "approve", "observe"]))
    def mode(self, mode: str) -> None:
        self.rig.mode(mode)

    @rule(plan=st.sampled_from(["", "", "another"]), by=st.sampled_from([ANN, BOB]))
    def approved(self, plan: str, by: Any) -> None:
        self.rig.approve(plan, by)

    @rule(act=st.sampled_from([services.cancel, services.deny, services.take, services.give_back]))
    def decided(self, act: Any) -> None:
        self.rig.people(act)

    @rule(slug=st.sampled_from(SLUGS), route=ROUTE)
    def started(self, slug: str, route: str) -> None:
        self.rig.start(slug, route)

    @rule(on=st.booleans())
    def switched(self, on: bool) -> None:
        self.rig.switch(on)

    @rule()
    def silenced(self) -> None:
        self.rig.silence()


TestRuns = Runs.TestCase
TestRuns.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.timeout(600)
def test_a_crash_after_any_commit_breaks_nothing_and_is_repaired() -> None:
    with two_runbooks():
        r = rig()
        r.mode("auto", FIRST)
        crashes = 0
        for place in range(40):
            r.storms["shop"] = place < 12
            crashes += _crash_everywhere(r)
            r.tick()
            if Run.objects.filter(state="SUCCEEDED").exists():
                break
        assert Run.objects.filter(state="SUCCEEDED").exists()
    assert crashes > 40


def _crash_everywhere(r: Rig) -> int:
    """After each commit in turn of the round that comes next, if it moves a run; and then it is repaired."""
    if not _moves(r):
        return 0
    for at in itertools.count(1):
        if not _tried(r, partial(_crashed, r, at)):
            return at
    raise AssertionError("never")


def _moves(r: Rig) -> bool:
    before = _versions()

    def moved() -> bool:
        r.tick()
        return _versions() != before

    return _tried(r, moved)


def _crashed(r: Rig, at: int) -> bool:
    happened, moved = r.crash(at), _versions()
    check(r)
    r.tick(5)
    check(r)
    assert sum(_versions().values()) >= sum(moved.values())
    return happened


def _tried(r: Rig, act: Callable[[], bool]) -> bool:
    """What came of it; the world is then as before."""
    before, point = (r.now, r.laid), transaction.savepoint()
    try:
        return act()
    finally:
        transaction.savepoint_rollback(point)
        r.now, r.laid = before


def _versions() -> dict[int, int]:
    return dict(Run.objects.values_list("pk", "version"))


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
    for call in (services.cancel, services.deny, services.take, services.give_back):
        with pytest.raises(WrongState):
            call(run_id=number, by=ANN, reason="", now=w.now)


def test_looking_at_runs_writes_and_sends_nothing() -> None:
    w = world()
    w.storm()
    w.until("AWAITING_APPROVAL")
    before = (len(audit.selectors.entries(limit=5000)), len(alerts.selectors.messages()))
    selectors.run(w.run().id)
    selectors.runs()
    assert (len(audit.selectors.entries(limit=5000)), len(alerts.selectors.messages())) == before
