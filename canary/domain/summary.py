"""Where a rollout stands, in one sentence of figures; what a person said stands apart from it."""

from math import floor, log10

from canary.domain import verdicts
from canary.domain.family import OF, Family, limits_of
from canary.domain.judge import Counts, attempts_to_pass
from canary.domain.metrics import FIRST
from canary.domain.plan import Plan

# A figure further away than this is no help to anybody.
FORESEEN = 200_000
BEFORE_FIGURES = {
    "running": "No verdict yet",
    "paused": "Paused, and still judged",
    "awaiting_approval": "Passed, and waits for approval",
    "baking": "Baking, and still judged",
}
WITH_REASON = {
    "needs_human": "A person is needed",
    "promoting": "Being promoted",
    "promoted": "Promoted",
    "rolling_back": "Being rolled back",
    "rolled_back": "Rolled back",
}


def sentence(
    state: str,
    *,
    upstream: str,
    reason: str,
    family: Family,
    plan: Plan,
    silent: bool = False,
    observed: bool = False,
) -> str:
    """`reason` is why the rollout is in its state; `silent` says that nothing is being measured.

    `observed` is one that the judge never moves, whatever it finds.

    Counts are of both arms since the rollout began. The requests that are still to come are those of the
    canary that would earn the step if none of them failed, by the dispersion seen so far.
    """
    if state in WITH_REASON:
        return _with_reason(WITH_REASON[state], reason)
    head = "No data" if silent else _head(state, observed)
    counts = family[FIRST].counts
    if not counts.n_c:
        return f"{head}: no {OF[FIRST]} of {upstream} were judged yet"
    said = f"{head}: {_counts(counts, upstream)}"
    more = _to_come(family, plan) if state == "running" and not silent and not observed else None
    if more is None:
        return said
    return f"{said}; about {more:,} more requests without a failure earn the next step"


def figures(family: Family, *, upstream: str, weight: int) -> dict[str, str]:
    """What a message says of a rollout in numbers; `weight` is the canary's share in basis points."""
    counts = family[FIRST].counts
    return {
        "canary's share": f"{weight / 100:g} %",
        f"failed {OF[FIRST]} of {upstream}": _part(counts.e_c, counts.n_c),
        f"failed {OF[FIRST]} of the control": _part(counts.e_k, counts.n_k),
    }


def _part(failed: int, attempts: int) -> str:
    if not attempts:
        return "none were judged yet"
    return f"{failed:,} of {attempts:,} ({verdicts.percent(failed, attempts)})"


def _head(state: str, observed: bool) -> str:
    observes = observed and state == "running"
    return "Observed, and moved by nobody but people" if observes else BEFORE_FIGURES[state]


def _with_reason(head: str, reason: str) -> str:
    """The state and why. A person's decision says itself what it is: "Rolled back by ann: too slow"."""
    decision = head.removeprefix("Being ").capitalize()
    if reason.startswith(f"{decision} by "):
        return f"{head}{reason.removeprefix(decision)}"
    return f"{head}: {reason}"


def _counts(counts: Counts, upstream: str) -> str:
    return (
        f"{upstream} fails {counts.e_c:,} of {counts.n_c:,} {OF[FIRST]}, "
        f"the control {counts.e_k:,} of {counts.n_k:,}"
    )


def _to_come(family: Family, plan: Plan) -> int | None:
    """Requests until every metric passes, to two digits; None where nothing can be foreseen.

    A latency passes by how it compares alone, which nobody can foresee.
    """
    earning = [one for one in plan.metrics if one.action != "observe" and one.kind != "absolute"]
    each = [
        attempts_to_pass(family[one.name], limits_of(plan.limits(), one.name, plan.metrics), most=FORESEEN)
        if one.kind == "counts"
        else None
        for one in earning
    ]
    known = [one for one in each if one is not None]
    if len(known) < len(each) or not max(known):
        return None
    digits = 1 - floor(log10(max(known)))
    return int(round(max(known), digits))
