"""What a tick reads of Prometheus: once for all rollouts of a tier that read the same."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from canary.domain import scrapes, tally
from canary.domain.metrics import Metric
from canary.domain.plan import Plan
from canary.models import Rollout
from telemetry.domain.errors import MetricsError
from telemetry.domain.series import Series
from telemetry.ports import Metrics

# After a long outage of the workers the judge catches up from Prometheus, but not for ever.
FURTHEST_BACK = timedelta(minutes=5)
# A proxy's last scrape before the first new interval: that far back it may lie, and a second to spare.
OVERLAP = timedelta(seconds=scrapes.REACH + 1)
Read = tuple[str, str]
"""What rollouts are read together by: the tier, and the metrics that they are judged by, as text."""


def after(rollout: Rollout, now: datetime) -> float:
    """The end (unix seconds) of what was folded, or the furthest back that is caught up from."""
    return max(rollout.folded_until or 0.0, (now - FURTHEST_BACK).timestamp())


class Scraped:
    """The raw samples of these rollouts' routes at one moment, read when the first of them is asked for.

    One that lags behind the others makes the read reach further back for all that are read with it.
    """

    def __init__(self, metrics: Metrics, rollouts: Iterable[Rollout], *, now: datetime) -> None:
        self._metrics, self._now = metrics, now
        self._together: dict[Read, list[Rollout]] = {}
        for rollout in rollouts:
            self._together.setdefault(_read_by(rollout), []).append(rollout)
        self._read: dict[Read, dict[str, list[Series]] | MetricsError] = {}

    @property
    def source(self) -> Metrics:
        """For what a rollout's plan reads for itself alone."""
        return self._metrics

    def of(self, rollout: Rollout, plan: Plan) -> Sequence[Series]:
        """The series of `tally.queries`, as far back as `scrapes.fold` needs. Raises MetricsError."""
        key = _read_by(rollout)
        if key not in self._read:
            self._read[key] = self._ask(self._together[key], plan.metrics)
        found = self._read[key]
        if isinstance(found, MetricsError):
            raise found
        return [*found.get(rollout.route_name, ()), *found.get("", ())]

    def _ask(
        self, rollouts: Sequence[Rollout], metrics: Sequence[Metric]
    ) -> dict[str, list[Series]] | MetricsError:
        """By route; what has none, such as which scrapes there were, under an empty one."""
        routes = [rollout.route_name for rollout in rollouts]
        first = min(after(rollout, self._now) for rollout in rollouts)
        window = self._now - datetime.fromtimestamp(first, tz=UTC) + OVERLAP
        found: dict[str, list[Series]] = {}
        try:
            for query in tally.queries(rollouts[0].tier, *routes, metrics=metrics):
                for one in self._metrics.raw(query, window=window, at=self._now):
                    found.setdefault(one.labels.get("route", ""), []).append(one)
        except MetricsError as error:
            return error
        return found


def _read_by(rollout: Rollout) -> Read:
    return rollout.tier, str(rollout.plan.get("metrics"))
