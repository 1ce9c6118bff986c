"""What must hold of runs whatever happens, in whatever order."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import audit.selectors
import proxy.selectors
from proxy.models import Overlay
from runbooks.domain.judging import judge_from
from runbooks.domain.states import ACTING, ENDED, OPEN, RUN
from runbooks.models import Approval, Run, Step
from tests.runbooks.rig import ROUTES, Rig

HELD = tuple(state for state in ACTING if state not in ("REVERTING", "NEEDS_HUMAN"))
APPLIED = ("VERIFYING", "HOLDING", "TAKEN")
COOLS = ("SUPPRESSED", "NOT_CONFIRMED")
MOST_ROUTES = 1


def check(rig: Rig) -> None:
    """Everything; which of them fails is told by the line."""
    runs = {run.owner: run for run in Run.objects.all()}
    check_overlays(rig, runs)
    check_served(rig)
    check_history(runs)
    check_approvals(runs)
    check_guards(rig, runs)


def check_overlays(rig: Rig, runs: dict[str, Run]) -> None:
    live = proxy.selectors.live_overlays("edge", now=rig.now)
    owners = {target.name: target.owner for target in proxy.selectors.targets("edge")}
    for overlay in (row for row in live if row.owner in runs):
        run = runs[overlay.owner]
        assert run.state in HELD, "only a run that acts has a live overlay"
        assert run.fences[overlay.target] == overlay.fence, "no effect without its intent"
        assert run.steps.filter(event="mitigate").exists(), "no effect without its intent"
        assert owners[overlay.target] == overlay.owner, "whoever has the overlay holds the target"
        assert run.overlay_expires_at == overlay.expires_at, "an overlay ends when its run says"
    assert len({overlay.target for overlay in live}) == len(live), "one live overlay a target"
    laid = {(overlay.owner, overlay.target) for overlay in live}
    for run in runs.values():
        if run.state in APPLIED and run.overlay_expires_at and run.overlay_expires_at > rig.now:
            wanted = {(run.owner, target) for target in run.fences}
            assert wanted <= laid, "nobody else takes a live overlay away"
    open_on = Counter((run.runbook, run.target) for run in runs.values() if run.state in OPEN)
    assert all(number == 1 for number in open_on.values()), "one open run a runbook and target"
    acting = Counter(target for run in runs.values() if run.state in HELD for target in run.fences)
    assert all(number == 1 for number in acting.values()), "two runs never hold one target"
    touched = {overlay.patch.get("route") for overlay in live if overlay.owner in runs}
    assert len(touched) <= MOST_ROUTES, "the blast radius is bounded"


def check_served(rig: Rig) -> None:
    """What the proxies get, told from the rows alone: not by the code that serves it."""
    served = proxy.selectors.served("edge", now=rig.now).live
    rows = Overlay.objects.filter(target__tier__name="edge", expires_at__gt=rig.now)
    held = set(rows.values_list("target__name", flat=True))
    for route in ROUTES:
        found = served.route(route)
        assert found is not None
        assert found.retry.attempts > 0 or f"route/{route}/retry" in held, "no overlay outlives its expiry"


def check_history(runs: dict[str, Run]) -> None:
    steps = list(Step.objects.order_by("run_id", "version"))
    audited = audit.selectors.entries(action="run.", limit=10_000)
    told = Counter((entry.detail["run"], entry.detail["version"]) for entry in audited)
    assert told == Counter((step.run_id, step.version) for step in steps), "one audit row a version"
    by_run = {pk: list(found) for pk, found in itertools.groupby(steps, key=lambda step: step.run_id)}
    for run in runs.values():
        history = by_run[run.pk]
        assert [step.version for step in history] == list(range(1, run.version + 1))
        assert history[-1].state == run.state
        assert (run.ended_at is not None) == (run.state in ENDED)
        for before, after in itertools.pairwise(history):
            assert RUN[before.state].get(after.event) == after.state, "every step is in the table"
        events = [step.event for step in history]
        assert "put" not in events or "mitigate" in events[: events.index("put")], "intent goes before"
        assert events.count("put") <= 1, "it is laid once"


def check_approvals(runs: dict[str, Run]) -> None:
    for run in runs.values():
        decided = run.steps.filter(event="mitigate").first()
        used = list(Approval.objects.filter(run=run).exclude(used_at=None))
        if decided is None:
            assert used == [], "a yes is used by what it is for"
            continue
        if decided.why.startswith("mode auto"):
            continue
        needed = judge_from(run.definition, run.policy).policy.approvals
        assert len({each.by for each in used}) >= needed, "what is gated has its approval"
        assert {each.plan_hash for each in used} == {run.plan_hash}, "an approval is for one plan"
        assert all(each.at <= decided.at < each.expires_at for each in used), "an approval ends"
        if not run.by_hand:
            confirmed = run.steps.filter(state="CONFIRMING").order_by("-version").first()
            assert confirmed is not None
            window = judge_from(run.definition, run.policy).policy.confirm_for
            assert decided.at - confirmed.at >= window, "it is confirmed again after the approval"


def check_guards(rig: Rig, runs: dict[str, Run]) -> None:
    acted = sorted((run for run in runs.values() if run.mitigated_at), key=lambda run: str(run.mitigated_at))
    for run in acted:
        at = _at(run)
        assert not any(_in(span, at) for span in rig.killed), "nothing acts under the kill switch"
        if not run.by_hand:
            silenced = [span for route, span in rig.silenced if route == run.subject]
            assert not any(_in(span, at) for span in silenced), "nothing begins in a silence"
            _check_cooldown(run, at, runs)
    for run in acted:
        policy, at = judge_from(run.definition, run.policy).policy, _at(run)
        lately = [other for other in acted if at - policy.actions_window < _at(other) <= at]
        assert len(lately) <= policy.actions_in_all, "the budget of all holds"
        mine = [other for other in lately if other.runbook == run.runbook]
        assert len(mine) <= policy.actions, "the budget of a runbook holds"
        _check_flaps(run, at, [other for other in acted if other.target == run.target])


def _check_cooldown(run: Run, at: datetime, runs: dict[str, Run]) -> None:
    cooldown: timedelta = judge_from(run.definition, run.policy).policy.cooldown
    for other in runs.values():
        same = (other.runbook, other.target) == (run.runbook, run.target) and other.pk != run.pk
        if same and other.ended_at is not None and other.ended_at <= at and other.state not in COOLS:
            assert at - other.ended_at >= cooldown, "nothing begins in a cooldown"


def _check_flaps(run: Run, at: datetime, on_target: Sequence[Run]) -> None:
    policy = judge_from(run.definition, run.policy).policy
    decided = run.steps.get(event="mitigate")
    before = [o for o in on_target if o.runbook == run.runbook and at - policy.flap_window <= _at(o) < at]
    if len(before) >= policy.flaps:
        assert not decided.why.startswith("mode auto"), "after so many flaps a person is asked"


def _at(run: Run) -> datetime:
    assert run.mitigated_at is not None
    return run.mitigated_at


def _in(span: Sequence[datetime], at: datetime) -> bool:
    return span[0] < at and (len(span) == 1 or at < span[1])


def unsettled() -> Iterator[str]:
    """What is left once faults have stopped and time has passed: nothing should be."""
    yield from (f"{run} is {run.state}" for run in Run.objects.open())
    yield from (f"{row.target} is laid" for row in Overlay.objects.select_related("target"))
    yield from (f"{row.name} is held" for row in proxy.selectors.targets("edge") if row.owner)
