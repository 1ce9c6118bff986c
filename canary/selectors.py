"""Describes rollouts: arms side by side, the ladder, evidence, what each action would change."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Case, JSONField, QuerySet, When

import proxy.selectors
from canary import offers, standings
from canary.domain import family, plainly, shares, states, tally, trouble
from canary.domain.errors import UnknownRollout
from canary.domain.family import Family
from canary.domain.metrics import FIRST
from canary.domain.plan import WHOLE, Plan
from canary.domain.summary import sentence
from canary.models import Observation, Rollout, Step
from canary.offers import ActionRow
from canary.standings import MetricRow
from proxy.domain.errors import ProxyError

# States in which the machine takes a step up, or asks for one.
CLIMBING = ("running", "awaiting_approval", "paused", "needs_human")


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout in a list. `weight` in basis points; `state` is a word of `canary.domain.states`.

    `summary`: where it stands. `reason`: why it is in its state. `stated_reason`: what was said at the start.
    `reserve`: whether the other arms could take all of it back, with the figures. `held`: why the machine
    takes no step though nothing speaks against the canary: both arms fail (`hold_above` of the plan).
    """

    id: int
    tier: str
    route_id: int
    route: str
    upstream: str
    control: tuple[str, ...]
    state: str
    mode: str
    weight: int
    step: int
    steps: tuple[int, ...]
    summary: str
    stated_reason: str
    reason: str
    problem: str
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    no_data_since: datetime | None
    held: str
    reserve: str
    overlay_expires_at: datetime | None
    version: int
    key: str

    @property
    def live(self) -> bool:
        return self.state in states.LIVE

    @property
    def besides(self) -> str:
        """The problem, where neither the summary nor what holds it says the same."""
        said = self.problem in self.summary or (self.held and self.held in self.problem)
        return "" if said else self.problem


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step that was entered, or (no times) one that is to come."""

    number: int
    weight: int
    began_at: datetime | None
    obeyed_at: datetime | None
    ended_at: datetime | None
    verdict: str
    reason: str
    current: bool


@dataclass(frozen=True, slots=True)
class VerifiedRow:
    """What one proxy runs for the route as read back from it; `weights` is None until it was read."""

    proxy: str
    acked: bool
    weights: dict[str, int] | None
    verified: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Times:
    """When the phases of the last decision happened; None where one has not."""

    evidence_at: datetime | None
    decided_at: datetime | None
    pushed_at: datetime | None
    acked_at: datetime | None
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class RolloutDetail:
    """All that a rollout's page shows. `dropped` are ticks that lacked something, by what they lacked.

    `bake_ends_at` is known while it bakes. `retries` are the rollouts that tried it again.
    """

    row: RolloutRow
    plan: Plan
    plainly: str
    promise: str
    metrics: tuple[MetricRow, ...]
    ladder: tuple[StepRow, ...]
    proxies: tuple[VerifiedRow, ...]
    actions: tuple[ActionRow, ...]
    times: Times
    bake_ends_at: datetime | None
    retry_of: int | None
    retries: tuple[int, ...]
    incident: int | None
    dropped_ticks: int
    dropped: Mapping[str, int]
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """One tick of one metric for charts. Counts are of this tick; e-values are up to it."""

    at: datetime
    weight: int
    canary: tuple[int, int]
    control: tuple[int, int]
    e_fail: float
    e_pass: float
    odds: float | None
    low: float
    high: float | None
    phi: float


def rollouts(*, limit: int = 100, live: bool | None = None, route: int | None = None) -> list[RolloutRow]:
    """The newest first; `live` only those that have not ended (or, False, that have)."""
    found = Rollout.objects.all()
    if live is not None:
        found = found.live() if live else found.filter(state__in=states.TERMINAL)
    if route is not None:
        found = found.filter(route=route)
    return rows(found[:limit])


def incidents_of_live(numbers: Collection[int]) -> set[int]:
    """Which of these incidents are of a rollout that has not ended."""
    found = Rollout.objects.live().filter(incident__in=numbers)
    return {number for number in found.values_list("incident", flat=True) if number is not None}


def rows(found: QuerySet[Rollout]) -> list[RolloutRow]:
    """In their order; one query. Evidence is large, and only what has not ended is summed up by it."""
    weighed = Case(When(state__in=states.LIVE, then="evidence"), output_field=JSONField())
    listed = found.defer("evidence").annotate(weighed=weighed)
    return [_row(rollout, vars(rollout)["weighed"] or {}) for rollout in listed]


def rollout(rollout_id: int) -> RolloutDetail:
    """Raises UnknownRollout."""
    found = Rollout.objects.filter(pk=rollout_id).first()
    if found is None:
        raise UnknownRollout("rollout", f"there is no rollout {rollout_id}")
    steps = Plan.model_validate(found.plan)
    proxies, metrics = _proxies(found), standings.rows(found, steps)
    return RolloutDetail(
        row=_row(found, found.evidence),
        plan=steps,
        promise=plainly.promise(steps.limits()),
        plainly=_plainly(found, metrics),
        metrics=metrics,
        ladder=_ladder(found, steps),
        proxies=proxies,
        actions=offers.actions(found, steps, unread=[row.proxy for row in proxies if not row.verified]),
        bake_ends_at=_bake_ends_at(found, steps),
        retry_of=found.retry_of_id,
        retries=tuple(found.retries.order_by("pk").values_list("pk", flat=True)),
        times=_times(found),
        incident=found.incident,
        dropped_ticks=sum(found.evidence.get("dropped", {}).values()),
        dropped=found.evidence.get("dropped", {}),
        queries=(
            *tally.queries(found.tier, found.route_name, metrics=steps.metrics),
            *(metric.promql for metric in steps.metrics if metric.kind == "sampled"),
        ),
    )


def _plainly(found: Rollout, metrics: Sequence[MetricRow]) -> str:
    acting = [plainly.way(row.e_fail, row.fail_limit) for row in metrics if row.action == "roll_back"]
    return plainly.sentence(
        found.state,
        canary=found.upstream,
        route=found.route_name,
        weight=found.weight / 100,
        by_person=found.reason.startswith("Rolled back by"),
        worse=max(acting, default=0.0),
    )


def evidence(rollout_id: int, *, metric: str = FIRST, limit: int = 1000) -> list[EvidencePoint]:
    """The latest `limit` ticks in the order of time."""
    found = Observation.objects.filter(rollout=rollout_id).order_by("-at")[:limit]
    return [_point(one, one.figures[metric]) for one in reversed(found) if metric in one.figures]


def _row(found: Rollout, evidence: Mapping[str, Any]) -> RolloutRow:
    plan, weighed = Plan.model_validate(found.plan), family.load(evidence.get("family", {}))
    return RolloutRow(
        summary=sentence(
            found.state,
            upstream=found.upstream,
            reason=found.reason,
            family=weighed,
            plan=plan,
            silent=found.no_data_since is not None,
            observed=found.mode == "observe",
        ),
        stated_reason=found.stated_reason,
        id=found.pk,
        tier=found.tier,
        route_id=found.route_id,
        route=found.route_name,
        upstream=found.upstream,
        control=tuple(sorted(shares.control(plan, found.base, found.weight))),
        state=found.state,
        mode=found.mode,
        weight=found.weight,
        step=found.step,
        steps=tuple(found.plan["steps"]),
        reason=found.reason,
        problem=found.problem,
        created_at=found.created_at,
        created_by=found.created_by,
        finished_at=found.finished_at,
        no_data_since=found.no_data_since,
        held=_held(found, weighed, plan),
        reserve=found.reserve,
        overlay_expires_at=found.overlay_expires_at,
        version=found.version,
        key=found.key or "",
    )


def _held(found: Rollout, weighed: Family, plan: Plan) -> str:
    if found.mode == "observe" or found.state not in CLIMBING:
        return ""
    return trouble.shared(weighed, plan.hold_above)


def _ladder(found: Rollout, steps: Plan) -> tuple[StepRow, ...]:
    entered = list(found.steps.all())
    rows = [_step(step, current=step.ended_at is None) for step in entered]
    reached = max((step.number for step in entered), default=-1)
    if found.state in states.LIVE and found.state != "rolling_back":
        to_come = [(number, steps.share(number)) for number in range(len(steps.steps)) if number > reached]
        if steps.bakes and not any(row.weight == WHOLE and row.number == steps.last for row in rows):
            to_come.append((steps.last, WHOLE))
        rows += [StepRow(*step, None, None, None, "", "", False) for step in to_come]
    return tuple(rows)


def _step(step: Step, *, current: bool) -> StepRow:
    return StepRow(
        step.number,
        step.weight,
        step.began_at,
        step.obeyed_at,
        step.ended_at,
        step.verdict,
        step.reason,
        current,
    )


def _proxies(found: Rollout) -> tuple[VerifiedRow, ...]:
    if not found.push:
        return ()
    try:
        acked = proxy.selectors.weights_progress(found.tier, found.push["generation"]).acked
    except ProxyError:
        acked = {}
    seen: dict[str, Any] = found.push["proxies"]
    return tuple(
        VerifiedRow(
            proxy=name,
            acked=acked.get(name, False),
            weights=seen[name]["weights"] if name in seen else None,
            verified=bool(seen[name]["verified"]) if name in seen else False,
            at=_moment(seen[name]["at"]) if name in seen else None,
        )
        for name in sorted({*acked, *seen})
    )


def _bake_ends_at(found: Rollout, steps: Plan) -> datetime | None:
    step = found.steps.filter(ended_at=None).last() if found.state == "baking" else None
    return step.obeyed_at + timedelta(seconds=steps.bake.seconds) if step and step.obeyed_at else None


def _times(found: Rollout) -> Times:
    push = found.push
    return Times(
        evidence_at=found.evidence_at,
        decided_at=found.decided_at,
        pushed_at=_moment(push.get("at")),
        acked_at=_moment(push.get("acked_at")),
        verified_at=_moment(push.get("verified_at")),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _point(one: Observation, figures: Mapping[str, Any]) -> EvidencePoint:
    return EvidencePoint(
        at=datetime.fromtimestamp(one.at, tz=UTC),
        weight=one.weight,
        canary=tuple(figures["canary"]),
        control=tuple(figures["control"]),
        e_fail=figures["e_fail"],
        e_pass=figures["e_pass"],
        odds=figures["odds"],
        low=figures["low"],
        high=figures["high"],
        phi=figures["phi"],
    )
