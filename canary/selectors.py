"""Describes rollouts: arms side by side, the ladder, evidence, what each action would change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, JSONField, When

import proxy.selectors
from canary.domain import family, plan, scrapes, states
from canary.domain.errors import UnknownRollout
from canary.domain.family import Metric
from canary.domain.judge import Counts, Evidence, Limits, e_value, weigh
from canary.domain.plan import WHOLE, Plan
from canary.domain.summary import sentence
from canary.models import Observation, Rollout, Step
from proxy.domain.errors import ProxyError

TITLES: dict[Metric, str] = {"first_attempt": "First attempts", "final": "After retries"}


@dataclass(frozen=True, slots=True)
class RolloutRow:
    """One rollout in a list. `weight` in basis points; `state` is a word of `canary.domain.states`.

    `summary`: where it stands. `reason`: why it is in its state. `stated_reason`: what was said at the start.
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
    overlay_expires_at: datetime | None
    version: int
    key: str

    @property
    def live(self) -> bool:
        return self.state in states.LIVE


@dataclass(frozen=True, slots=True)
class ArmRow:
    """Attempts and failures of one arm; `share` is 0..1, None while it had no traffic."""

    name: str
    attempts: int
    failed: int

    @property
    def share(self) -> float | None:
        return self.failed / self.attempts if self.attempts else None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of the judge: both arms since the rollout began, and what the evidence says.

    `fail_limit` and `pass_limit` are the e-values that decide. `low` and `high` bound the odds ratio with
    95 % at all times; a None in `high` is no limit.
    """

    metric: Metric
    title: str
    canary: ArmRow
    control: ArmRow
    e_fail: float
    e_pass: float
    fail_limit: float
    pass_limit: float
    p: float
    phi: float
    odds: float | None
    low: float
    high: float | None
    ticks: int


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
class ActionRow:
    """What a person may do now and what exactly it would change: the split before and after."""

    action: str
    before: dict[str, int]
    after: dict[str, int]
    words: str


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
    """All that a rollout's page shows. `dropped` are ticks that lacked something, by what they lacked."""

    row: RolloutRow
    plan: Plan
    promise: str
    metrics: tuple[MetricRow, ...]
    ladder: tuple[StepRow, ...]
    proxies: tuple[VerifiedRow, ...]
    actions: tuple[ActionRow, ...]
    times: Times
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
    # Evidence is large, and only what has not ended is summed up by it.
    weighed = Case(When(state__in=states.LIVE, then="evidence"), output_field=JSONField())
    listed = found.defer("evidence").annotate(weighed=weighed)[:limit]
    return [_row(rollout, vars(rollout)["weighed"] or {}) for rollout in listed]


def rollout(rollout_id: int) -> RolloutDetail:
    """Raises UnknownRollout."""
    found = Rollout.objects.filter(pk=rollout_id).first()
    if found is None:
        raise UnknownRollout("rollout", f"there is no rollout {rollout_id}")
    steps = Plan.model_validate(found.plan)
    return RolloutDetail(
        row=_row(found, found.evidence),
        plan=steps,
        promise=f"A healthy canary is rolled back in at most {100 * steps.alpha:g} % of rollouts.",
        metrics=_metrics(found, steps),
        ladder=_ladder(found, steps),
        proxies=_proxies(found),
        actions=_actions(found, steps),
        times=_times(found),
        incident=found.incident,
        dropped_ticks=sum(found.evidence.get("dropped", {}).values()),
        dropped=found.evidence.get("dropped", {}),
        queries=scrapes.queries(found.tier, found.route_name),
    )


def evidence(rollout_id: int, *, metric: Metric = "first_attempt", limit: int = 1000) -> list[EvidencePoint]:
    """The latest `limit` ticks in the order of time."""
    found = Observation.objects.filter(rollout=rollout_id).order_by("-at")[:limit]
    return [_point(one, metric) for one in reversed(found)]


def _row(found: Rollout, weighed: Mapping[str, Any]) -> RolloutRow:
    return RolloutRow(
        summary=sentence(
            found.state,
            upstream=found.upstream,
            reason=found.reason,
            family=family.load(weighed.get("family", {})),
            limits=Plan.model_validate(found.plan).limits(),
            silent=found.no_data_since is not None,
        ),
        stated_reason=found.stated_reason,
        id=found.pk,
        tier=found.tier,
        route_id=found.route_id,
        route=found.route_name,
        upstream=found.upstream,
        control=tuple(sorted(arm for arm, weight in found.base.items() if weight > 0)),
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
        overlay_expires_at=found.overlay_expires_at,
        version=found.version,
        key=found.key or "",
    )


def _metrics(found: Rollout, steps: Plan) -> tuple[MetricRow, ...]:
    weighed = family.load(found.evidence.get("family", {}))
    limits = steps.limits()
    return tuple(
        _metric(metric, one, family.limits_of(limits, metric), found) for metric, one in weighed.items()
    )


def _metric(metric: Metric, one: Evidence, limits: Limits, found: Rollout) -> MetricRow:
    counts: Counts = one.counts
    reading = weigh(one, limits)
    return MetricRow(
        metric=metric,
        title=TITLES[metric],
        canary=ArmRow(found.upstream, counts.n_c, counts.e_c),
        control=ArmRow(
            ", ".join(sorted(arm for arm, weight in found.base.items() if weight > 0)), counts.n_k, counts.e_k
        ),
        e_fail=e_value(reading.log_fail),
        e_pass=e_value(reading.log_pass),
        fail_limit=1 / limits.alpha,
        pass_limit=1 / limits.beta,
        p=reading.p,
        phi=reading.phi,
        odds=reading.odds,
        low=reading.low,
        high=reading.high,
        ticks=one.ticks,
    )


def _ladder(found: Rollout, steps: Plan) -> tuple[StepRow, ...]:
    entered = list(found.steps.all())
    rows = [_step(step, current=step.ended_at is None) for step in entered]
    reached = max((step.number for step in entered), default=-1)
    if found.state in states.LIVE and found.state != "rolling_back":
        rows += [
            StepRow(number, weight, None, None, None, "", "", False)
            for number, weight in enumerate(steps.steps)
            if number > reached
        ]
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


def _actions(found: Rollout, steps: Plan) -> tuple[ActionRow, ...]:
    before = plan.weights(found.base, found.upstream, found.weight)
    shares = _shares(found, steps)
    return tuple(
        ActionRow(
            action=event,
            before=before,
            after=plan.weights(found.base, found.upstream, shares[event]),
            words=_words(event, found, shares[event]),
        )
        for event in states.allowed(found.state)
    )


def _shares(found: Rollout, steps: Plan) -> dict[str, int]:
    """The canary's basis points after each action."""
    return {
        "approve": steps.steps[steps.following(found.step, found.weight)],
        "pause": found.weight,
        "resume": steps.steps[found.step],
        "promote": WHOLE,
        "roll_back": 0,
        "close": 0,
    }


def _words(event: str, found: Rollout, share: int) -> str:
    if event == "pause":
        return (
            f"{found.upstream} stays at {found.weight / 100:g} %; the judge goes on and may still roll back"
        )
    if event == "close":
        silent = ", ".join(row.proxy for row in _proxies(found) if not row.verified) or "every proxy"
        return f"it ends as rolled back, though it was not read back from {silent}"
    return f"{found.upstream} goes from {found.weight / 100:g} % to {share / 100:g} % of {found.route_name}"


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


def _point(one: Observation, metric: Metric) -> EvidencePoint:
    figures = one.figures[metric]
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
