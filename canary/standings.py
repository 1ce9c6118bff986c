"""The metrics of a rollout as they stand: both arms side by side, and what the evidence says."""

from dataclasses import dataclass

from canary.domain import family, shares
from canary.domain.family import Standing
from canary.domain.judge import e_value
from canary.domain.latency import duration
from canary.domain.metrics import Action, Kind
from canary.domain.plan import Plan
from canary.models import Rollout


@dataclass(frozen=True, slots=True)
class ArmRow:
    """Attempts and failures of one arm; `share` is 0..1, None while it had no traffic.

    Of a latency "failed" are requests slower than the metric's `edge`, of a sampled metric worse points.
    """

    name: str
    attempts: int
    failed: int

    @property
    def share(self) -> float | None:
        return self.failed / self.attempts if self.attempts else None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of the judge: both arms since the rollout began, and what the evidence says.

    `fail_limit` and `pass_limit` are the e-values that decide; `action` is what a FAIL does. `low` and `high`
    bound the odds ratio with 95 % at all times; a None in `high` is no limit. `edge` (microseconds) is the
    one of a latency that speaks loudest for FAIL; `limit` (0..1) is what may fail by the absolute rule.
    """

    metric: str
    kind: Kind
    action: Action
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
    edge: float | None
    limit: float | None

    @property
    def fired(self) -> bool:
        """Whether its evidence that the canary is worse has passed the boundary."""
        return self.e_fail >= self.fail_limit


def rows(rollout: Rollout, plan: Plan) -> tuple[MetricRow, ...]:
    """The plan's metrics in its order, measured or not."""
    weighed = family.load(rollout.evidence.get("family", {}))
    return tuple(_row(one, rollout, plan) for one in family.standings(weighed, plan.limits(), plan.metrics))


def _row(one: Standing, rollout: Rollout, plan: Plan) -> MetricRow:
    limits = family.limits_of(plan.limits(), one.metric.name, plan.metrics)
    counts, reading = one.counts, one.reading
    control = ", ".join(sorted(shares.control(plan, rollout.base, rollout.weight)))
    return MetricRow(
        metric=one.metric.name,
        kind=one.metric.kind,
        action=one.metric.action,
        title=_title(one),
        canary=ArmRow(rollout.upstream, counts.n_c, counts.e_c),
        control=ArmRow(control, counts.n_k, counts.e_k),
        e_fail=e_value(reading.log_fail),
        e_pass=e_value(reading.log_pass),
        fail_limit=1 / limits.alpha,
        pass_limit=1 / limits.beta,
        p=reading.p,
        phi=reading.phi,
        odds=reading.odds,
        low=reading.low,
        high=reading.high,
        ticks=one.evidence.ticks,
        edge=one.edge,
        limit=one.metric.limit,
    )


def _title(one: Standing) -> str:
    if one.edge is not None:
        return f"{one.metric.title}, above {duration(one.edge)}"
    if one.metric.limit is not None:
        return f"{one.metric.title}: {100 * one.metric.limit:g} % may fail"
    if one.metric.kind == "sampled":
        return f"{one.metric.title}: which of two points is the {one.metric.worse}"
    return one.metric.title
