"""Describes runbooks for pages and API, each with what is known live: one takes as many queries as all."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import proxy.selectors
from proxy.domain.errors import UnknownTier
from proxy.domain.tier import Tier
from runbooks import selectors, texts
from runbooks.domain.gate import Mode
from runbooks.domain.policy import BadPolicy, Policy
from runbooks.domain.signals import AnySignal, Queried, Ratio, Total, promql_of
from runbooks.models import Setting
from runbooks.selectors import DetectionRow, RunRow

LAST_RUNS = 10


@dataclass(frozen=True, slots=True)
class ModeRow:
    """How far a runbook may go on a tier; `by` is empty when that is as declared."""

    tier: str
    mode: Mode
    declared: Mode
    by: str
    at: datetime | None
    policy: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunbookRow:
    """One runbook: its text, its live values, its mode per tier, its last runs.

    `version` is that of a team's own, None of those that come with Sluice; `problem`: why it cannot be read.
    `raw` is its file as written.
    """

    slug: str
    title: str
    summary: str
    severity: str
    owner: str
    automated: bool
    scope: str
    version: int | None
    problem: str
    raw: str
    source: str
    policy: Policy
    modes: tuple[ModeRow, ...]
    detections: tuple[DetectionRow, ...]
    runs: tuple[RunRow, ...]

    @property
    def html(self) -> str:
        """The text rendered and sanitised: safe to show as it is."""
        return texts.rendered(self.source)


def runbooks() -> list[RunbookRow]:
    """Every runbook, by its slug."""
    return _described(sorted(texts.library().values(), key=lambda text: text.slug))


def runbook(slug: str) -> RunbookRow | None:
    """One runbook; None when there is none."""
    return next(iter(_described(text for text in texts.library().values() if text.slug == slug)), None)


def queries(slug: str, tier: str) -> list[tuple[str, str]]:
    """What each signal is, for a tier: its title with its PromQL, or with the signals that it is made of."""
    text = texts.library().get(slug)
    if text is None or text.definition is None:
        return []
    try:
        window = selectors.policy(runbook=slug, tier=proxy.selectors.base(tier)).lookback
    except (UnknownTier, BadPolicy):
        window = text.policy.lookback
    return [
        (signal.title or name, _made_of(signal, tier, window))
        for name, signal in text.definition.signals.items()
    ]


def _made_of(signal: AnySignal, tier: str, window: timedelta) -> str:
    match signal:
        case Ratio():
            return f"{signal.ratio} / {signal.over}"
        case Total():
            return " + ".join([*signal.total, *([f"{signal.plus:g}"] if signal.plus else [])])
        case Queried():
            return promql_of(signal, tier, window)


def _described(found: Iterable[texts.Text]) -> list[RunbookRow]:
    tiers = list(_tiers())
    settings: Mapping[str, dict[str, Setting]] = defaultdict(dict)
    for row in Setting.objects.all():
        settings[row.runbook][row.tier] = row
    seen: Mapping[str, list[DetectionRow]] = defaultdict(list)
    for detection in selectors.detections():
        seen[detection.runbook].append(detection)
    ran = selectors.last_runs(LAST_RUNS)
    return [
        _runbook(text, _modes(text.slug, tiers, settings[text.slug]), seen[text.slug], ran.get(text.slug, ()))
        for text in found
    ]


def _runbook(
    text: texts.Text, modes: Sequence[ModeRow], seen: Sequence[DetectionRow], ran: Sequence[RunRow]
) -> RunbookRow:
    return RunbookRow(
        slug=text.slug,
        title=text.title,
        summary=text.summary,
        severity=text.severity,
        owner=text.owner,
        automated=text.automated,
        scope=text.definition.scope if text.definition else "",
        version=text.version,
        problem=text.problem,
        raw=text.raw,
        source=text.source,
        policy=text.policy,
        modes=tuple(modes) if text.automated else (),
        detections=tuple(seen),
        runs=tuple(ran),
    )


def _tiers() -> Iterable[Tier]:
    for row in proxy.selectors.tiers():
        try:
            yield proxy.selectors.base(row.name)
        except UnknownTier:
            continue


def _modes(slug: str, tiers: Iterable[Tier], settings: Mapping[str, Setting]) -> list[ModeRow]:
    rows = []
    for tier in tiers:
        declared, row = selectors.declared_mode(slug, tier), settings.get(tier.name)
        if row is None:
            rows.append(ModeRow(tier.name, declared, declared, "", None, {}))
        else:
            chosen = selectors.mode_from(row.mode) if row.mode else declared
            rows.append(ModeRow(tier.name, chosen, declared, row.by, row.at, row.policy))
    return rows
