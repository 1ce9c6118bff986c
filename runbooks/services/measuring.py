"""Measures every target of a tier for a runbook: one query a signal, whatever the number of targets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from proxy.domain.tier import Tier
from runbooks.domain.definition import Definition, Scope
from runbooks.domain.measures import Measure
from runbooks.domain.policy import Policy
from runbooks.domain.signals import By, Queried, complete, heaviest, joined, promql_of
from runbooks.domain.targets import members, splits_of, subjects
from runbooks.services.patience import Patience
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsError, QueryTimeout
from telemetry.domain.series import Sample
from telemetry.ports import Metrics

# The labels that tell apart what a query is `by`, the first that a series has.
LABELS: dict[By, tuple[str, ...]] = {
    "route": ("route",),
    "upstream": ("upstream", "arm", "envoy_cluster_name"),
    "proxy": ("proxy",),
    "tier": (),
}
# By what the series is told apart -> (its name, its value), one a series.
Table = dict[str, list[tuple[str, float]]]


@dataclass(slots=True)
class Answers:
    """What Prometheus says of one tier at one moment: each question is asked once, however many ask it."""

    metrics: Metrics
    tier: str
    now: datetime
    patience: Patience = field(default_factory=Patience)
    _known: dict[str, tuple[Sample, ...] | MetricsError] = field(default_factory=dict)

    def of(self, promql: str) -> tuple[Sample, ...]:
        """The samples that are numbers, which infinity (a / 0) is not. Raises MetricsError, and again whoever
        asks again.
        """
        if promql not in self._known:
            self._known[promql] = self._ask(promql)
        found = self._known[promql]
        if isinstance(found, MetricsError):
            raise found
        return found

    def _ask(self, promql: str) -> tuple[Sample, ...] | MetricsError:
        if self.patience.is_over:
            return QueryTimeout(f"not asked: what was asked before took {self.patience.spent:.0f} s")
        try:
            with self.patience.asking():
                found = self.metrics.vector(promql, at=self.now)
        except MetricsError as error:
            return error
        return tuple(sample for sample in found if math.isfinite(sample.value))

    def stale(self, after: timedelta) -> str:
        """Why no scrape is new enough to judge by, or nothing. A rate outlives its scrapes."""
        ages = [sample.value for sample in self.of(catalogue.scrape_age(tier=self.tier))]
        if not ages:
            return "no data: no proxy was scraped"
        return f"no data since {min(ages):.0f} s" if min(ages) > after.total_seconds() else ""


def measure(answers: Answers, *, tier: Tier, definition: Definition, policy: Policy) -> dict[str, Measure]:
    """Each target of the tier with what was measured, or with why there is no data."""
    names = subjects(definition.scope, tier)
    queried = {name: each for name, each in definition.signals.items() if isinstance(each, Queried)}
    try:
        why = answers.stale(policy.stale_after)
        asked = {} if why else queried
        tables = {name: (each, _table(answers, each, policy)) for name, each in asked.items()}
    except MetricsError as error:
        why, tables = f"no data: {error}", {}
    if why:
        return {name: Measure(at=answers.now, why_no_data=why) for name in names}
    splits = splits_of(tier)
    return {name: measured(definition, name, tables, splits, answers.now) for name in names}


def _table(answers: Answers, signal: Queried, policy: Policy) -> Table:
    table: Table = {}
    for sample in answers.of(promql_of(signal, answers.tier, policy.lookback)):
        by, name = told_apart(signal, sample.labels)
        table.setdefault(by, []).append((name, sample.value))
    return table


def told_apart(signal: Queried, labels: Mapping[str, str]) -> tuple[str, str]:
    """What a series belongs to, and what it is called among those that do."""
    by = next((labels[label] for label in LABELS[signal.by] if label in labels), "")
    return by, labels.get(signal.names, "")


def measured(
    definition: Definition,
    subject: str,
    tables: Mapping[str, tuple[Queried, Table]],
    splits: Mapping[str, Mapping[str, int]],
    now: datetime,
) -> Measure:
    """One target's measure of the tables of all."""
    values: dict[str, float | None] = {}
    names: dict[str, tuple[str, ...]] = {}
    for name, (signal, table) in tables.items():
        found = _belonging(signal, definition.scope, subject, table, splits)
        values[name] = joined(signal, [value for _, value in found])
        if signal.names:
            names[name] = heaviest(_summed(found))
    # What has a figure for no series cannot tell that nothing was measured.
    telling = [values[name] for name, (signal, _) in tables.items() if signal.absent is None]
    why = "nothing was measured" if telling and not any(v is not None for v in telling) else ""
    return Measure(at=now, values=complete(definition.signals, values), names=names, why_no_data=why)


def _belonging(
    signal: Queried, scope: Scope, subject: str, table: Table, splits: Mapping[str, Mapping[str, int]]
) -> list[tuple[str, float]]:
    mine = members(signal.by, scope, subject, splits)
    return [row for by in (table if mine is None else mine) for row in table.get(by, ())]


def _summed(rows: list[tuple[str, float]]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for name, value in rows:
        if name:
            weights[name] = weights.get(name, 0.0) + value
    return weights
