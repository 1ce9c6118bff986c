"""Each guard is needed: with it taken away, and it alone, an invariant breaks that holds with it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

import audit.services
import proxy.selectors
from proxy import models
from proxy.domain.errors import ProxyError
from proxy.services import overlays
from runbooks import services
from runbooks.domain import gate as gates
from runbooks.domain.judging import Judge, Verdict
from runbooks.models import Approval, Run, RunQuerySet
from runbooks.services import acting, deciding, gating, moving
from tests.runbooks.invariants import check
from tests.runbooks.rig import BOB, FIRST, OTHER, Rig, rig, two_runbooks

pytestmark = pytest.mark.django_db

Script = Callable[[Rig], None]


@dataclass(frozen=True)
class Guard:
    """What happens, and what is taken away; `breaks` is the invariant that then does not hold."""

    script: Script
    without: Callable[[], AbstractContextManager[Any]]
    breaks: str
    policy: Mapping[str, Any] = field(default_factory=dict)


def acts(r: Rig) -> None:
    r.mode("auto", FIRST)
    r.storms["shop"] = True
    r.until("VERIFYING")


def acts_again(r: Rig) -> None:
    """It acts, is cancelled, and the storm is there still."""
    acts(r)
    r.people(services.cancel)
    r.until("CANCELLED")
    r.ticks(6)


def acts_again_later(r: Rig) -> None:
    acts_again(r)
    r.tick(40)
    r.ticks(6)


def acts_elsewhere(r: Rig) -> None:
    acts(r)
    r.people(services.cancel)
    r.until("CANCELLED")
    r.storms = {"shop": False, "payments": True}
    r.ticks(8)


def acts_everywhere(r: Rig) -> None:
    r.mode("auto")
    r.storms = dict.fromkeys(r.storms, True)
    r.ticks(6)


def both_act(r: Rig) -> None:
    r.mode("auto")
    r.storms["shop"] = True
    r.until("VERIFYING")


def acts_when_killed(r: Rig) -> None:
    r.mode("auto")
    r.storms["shop"] = True
    r.tick()
    r.switch(True)
    r.ticks(6)


def acts_in_a_silence(r: Rig) -> None:
    r.mode("observe")
    r.storms["shop"] = True
    r.ticks(6)
    r.silence()
    r.mode("auto")
    r.ticks(8)


def asks(r: Rig) -> None:
    r.storms["shop"] = True
    r.until("AWAITING_APPROVAL")


def waits(r: Rig) -> None:
    asks(r)
    r.ticks(3)


def approved_late(r: Rig) -> None:
    asks(r)
    r.approve()
    r.tick(6)
    r.ticks(2)


def approved_for_another_plan(r: Rig) -> None:
    waits(r)
    r.approve()
    r.split()
    r.ticks(4)


def approved(r: Rig) -> None:
    waits(r)
    r.approve(by=BOB)
    r.ticks(1)


def stalls_and_is_cancelled(r: Rig) -> None:
    """A worker has claimed a run and looked at it; then a person ends the run, and the worker goes on."""
    r.mode("auto")
    r.storms["shop"] = True
    r.until("CONFIRMING")
    r.tick()
    r.stall()
    r.people(services.cancel)
    r.wake()


def writes_late(r: Rig) -> None:
    """A worker is past all that its run's row could tell it; then a person takes the run back, and it writes."""
    acts(r)
    late = Run.objects.get(state="VERIFYING")
    r.people(services.cancel)
    try:
        acting.put(late, expires_at=r.now + timedelta(minutes=1), by=BOB, now=r.now)
    except ProxyError:
        return


def writes_over_another(r: Rig) -> None:
    """The same, much later: another run holds the target by now."""
    acts(r)
    late = Run.objects.get(state="VERIFYING")
    r.people(services.cancel)
    r.until("CANCELLED")
    r.mode("observe", FIRST)
    r.mode("auto", OTHER)
    r.until("VERIFYING")
    try:
        acting.put(late, expires_at=r.now + timedelta(minutes=1), by=BOB, now=r.now)
    except ProxyError:
        return


def nobody_lives(r: Rig) -> None:
    acts(r)
    r.now += timedelta(hours=1)


def facts(**harmless: Any) -> Callable[[], AbstractContextManager[Any]]:
    """The gate hears only good of this."""

    def heard(given: gates.Facts, *args: Any, **more: Any) -> gates.Gate:
        return gates.gate(replace(given, **harmless), *args, **more)

    return lambda: mock.patch.object(gating, "gate", heard)


def any_approval(run: Run, digest: str, now: datetime) -> list[Approval]:
    return list(run.approvals.filter(plan_hash=digest))


def any_plan(run: Run, digest: str, now: datetime) -> list[Approval]:
    return list(run.approvals.filter(used_at=None))


def at_once(judge: Judge, measures: Any, **when: Any) -> Verdict:
    return Verdict("yes", judge.explain(measures[-1]))


def whoever(run: Run, *, claimed: bool) -> RunQuerySet:
    return Run.objects.filter(pk=run.pk)


def taken_away_without_a_trace(run: Run, **how: Any) -> int:
    generation = TAKE_AWAY(run, **how)
    models.Target.objects.update(fence_floor=0)
    return generation


TAKE_AWAY = acting.take_away


def unfenced(record: models.Tier, name: str, owner: str, fence: int) -> models.Target:
    return models.Target.objects.get(tier=record, name=name)


def for_ever(tier: str | None = None, *, now: datetime) -> list[proxy.selectors.OverlayRow]:
    return LIVE(tier, now=now - timedelta(hours=2))


LIVE = proxy.selectors.live_overlays


def patched(where: Any, name: str, other: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(where, name, other)


@contextmanager
def leases_of_anybody() -> Iterator[None]:
    """The lease is given to whoever asks, and the gate does not look at it before."""
    with facts(held_by="")(), mock.patch.object(overlays, "_refuse_another"):
        yield


GUARDS: dict[str, Guard] = {
    "kill switch": Guard(acts_when_killed, facts(killed=False), "under the kill switch"),
    "silence": Guard(acts_in_a_silence, facts(silenced=False), "in a silence"),
    "cooldown": Guard(acts_again, facts(last_ended_at=None), "in a cooldown"),
    "budget": Guard(acts_again_later, facts(actions=0), "the budget of a runbook", {"actions": 1}),
    "budget in all": Guard(
        acts_elsewhere, facts(actions_in_all=0), "the budget of all", {"actions_in_all": 1}
    ),
    "flaps": Guard(acts_again_later, facts(acted_recently=0), "after so many flaps", {"flaps": 1}),
    "blast radius": Guard(acts_everywhere, facts(routes_touched=0), "the blast radius"),
    "gate": Guard(waits, facts(approvals=9), "what is gated has its approval"),
    "end of an approval": Guard(
        approved_late, patched(deciding, "_approvals", any_approval), "an approval ends", {"approval_for": 5}
    ),
    "plan of an approval": Guard(
        approved_for_another_plan,
        patched(deciding, "_approvals", any_plan),
        "an approval is for one plan",
        {"remedy": "retry_budget"},
    ),
    "confirmation after an approval": Guard(
        approved, patched(Judge, "confirm", at_once), "it is confirmed again"
    ),
    "claim and version": Guard(
        stalls_and_is_cancelled, patched(moving, "as_read", whoever), "every step is in the table"
    ),
    "lease": Guard(both_act, leases_of_anybody, "two runs never hold one target"),
    "fence": Guard(writes_over_another, patched(overlays, "_held", unfenced), "nobody else takes"),
    "floor": Guard(
        writes_late, patched(acting, "take_away", taken_away_without_a_trace), "only a run that acts has"
    ),
    "expiry": Guard(
        nobody_lives, patched(proxy.selectors, "live_overlays", for_ever), "no overlay outlives its expiry"
    ),
    "audit": Guard(acts, patched(audit.services, "record", lambda **row: None), "one audit row"),
}


@pytest.mark.parametrize("name", GUARDS)
def test_the_invariants_hold_with_every_guard(name: str) -> None:
    guard = GUARDS[name]
    with two_runbooks():
        r = rig(**guard.policy)
        guard.script(r)
        check(r)


@pytest.mark.parametrize("name", GUARDS)
def test_an_invariant_breaks_without_this_guard(name: str) -> None:
    guard = GUARDS[name]
    with two_runbooks():
        r = rig(**guard.policy)
        with guard.without(), pytest.raises(AssertionError, match=guard.breaks):
            _broken(r, guard.script)


def _broken(r: Rig, script: Script) -> None:
    """An invariant is looked at after each round: what breaks may be mended again."""
    tick = r.tick

    def looked_at(seconds: float = 2) -> None:
        tick(seconds)
        check(r)

    r.tick = looked_at  # type: ignore[method-assign]  # the script's own rounds
    script(r)
    check(r)
