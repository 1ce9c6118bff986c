"""Judges a rollout again from what is kept of its ticks, and says whether it comes to the same."""

from dataclasses import dataclass
from datetime import UTC, datetime

from canary.domain import replay as domain
from canary.domain.errors import NothingKept, UnknownRollout
from canary.domain.plan import Plan
from canary.domain.replay import Difference, Kept, Replayed
from canary.models import Observation, Rollout

# What a page judges again: the newest ticks. All of a rollout's are the command's.
NEWEST = 1200


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One metric at the last tick: e-values as they were found and as they come out now."""

    metric: str
    e_fail: float
    e_pass: float
    replayed_e_fail: float
    replayed_e_pass: float


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """A rollout judged again. `whole`: from its first tick; otherwise from evidence that was kept at `since`.

    `same` says that each verdict and figure of all ticks came out as before; `differing` counts those that
    did not, and `differences` are the first of them. `verdict` and `reason` are those of the last tick.
    """

    rollout: int
    state: str
    recorded_reason: str
    same: bool
    whole: bool
    ticks: int
    since: datetime
    until: datetime
    verdict: str
    reason: str
    metrics: tuple[FigureRow, ...]
    passed_at: tuple[datetime, ...]
    differing: int
    differences: tuple[Difference, ...]

    @property
    def sentence(self) -> str:
        """What it came to, for a person."""
        span = f"{self.ticks:,} ticks judged again"
        if self.same:
            return f"{span}: each came to the same verdict with the same evidence"
        return f"{span}: {self.differing:,} figures came out otherwise"


def replay(rollout_id: int, *, newest: int | None = None) -> ReplayRow:
    """From the first tick that is kept, or about the `newest` ones. Raises UnknownRollout, NothingKept."""
    found = Rollout.objects.filter(pk=rollout_id).first()
    if found is None:
        raise UnknownRollout("rollout", f"there is no rollout {rollout_id}")
    observed = _observed(found, newest)
    try:
        plan = Plan.model_validate(found.plan)
        replayed = domain.replay(
            [_kept(one) for one in observed],
            plan.limits(),
            canary=found.upstream,
            control="the control",
            metrics=plan.metrics,
        )
    except domain.NothingToReplay as error:
        raise NothingKept(
            "rollout", f"no tick of rollout {rollout_id} is kept from which it could be judged again"
        ) from error
    return _row(found, observed[-1], replayed)


def _observed(found: Rollout, newest: int | None) -> list[Observation]:
    """In the order of time, beginning where evidence was kept."""
    rows = found.observations.order_by("at")
    if newest is not None:
        wanted = rows.reverse()[newest : newest + 1].values_list("at", flat=True).first()
        begins = rows.filter(before__isnull=False, at__lte=wanted or 0.0).values_list("at", flat=True).last()
        rows = rows.filter(at__gte=begins) if begins is not None else rows
    return list(rows)


def _kept(one: Observation) -> Kept:
    return Kept(
        at=one.at,
        tick=one.tick,
        earns=one.earns,
        lap=one.lap,
        kind=one.verdict,
        figures=one.figures,
        before=one.before,
    )


def _row(found: Rollout, last: Observation, replayed: Replayed) -> ReplayRow:
    return ReplayRow(
        rollout=found.pk,
        state=found.state,
        recorded_reason=found.reason,
        same=replayed.same,
        whole=replayed.ticks == found.evidence.get("ticks"),
        ticks=replayed.ticks,
        since=_moment(replayed.since),
        until=_moment(replayed.until),
        verdict=replayed.judgement.kind,
        reason=replayed.judgement.reason,
        metrics=tuple(
            FigureRow(
                metric,
                last.figures.get(metric, {}).get("e_fail", 0.0),
                last.figures.get(metric, {}).get("e_pass", 0.0),
                figures["e_fail"],
                figures["e_pass"],
            )
            for metric, figures in replayed.figures.items()
        ),
        passed_at=tuple(_moment(at) for at in replayed.passes),
        differing=replayed.differing,
        differences=replayed.differences,
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, tz=UTC)
