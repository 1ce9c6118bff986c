"""Whether a team's own runbook can run: every mistake by its place, its PromQL by what Prometheus says."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import proxy.selectors
from proxy.domain.errors import Problem
from proxy.meanings import Said
from runbooks import shelf, texts
from runbooks.domain import mistakes
from runbooks.domain.signals import Queried, promql_of
from runbooks.domain.writing import Written
from runbooks.services.measuring import LABELS
from telemetry import ports
from telemetry.domain.errors import BadQuery, MetricsError
from telemetry.domain.series import Sample
from telemetry.ports import Metrics

PATIENCE_SECONDS = 2.0
SLOWEST_SECONDS = 0.5
# Stands for the tier where none is declared yet: a query is the same for all of them.
ANY_TIER = "edge"


def said(placed: Mapping[str, Written], *, tier: str = "", now: datetime) -> Said:
    """What is wrong with runbooks, each by its place in what declares it (empty: the file is the runbook).

    Prometheus is asked only of what is new: what was accepted once is not refused because it is away.
    """
    problems = [(_join(path, where), why) for path, one in placed.items() for where, why in mistakes.of(one)]
    problems += [
        (_join(path, "slug"), f"{one.slug} comes with Sluice: give yours another name")
        for path, one in placed.items()
        if one.slug in texts.built_in()
    ]
    if problems:
        return Said(tuple(problems))
    fresh = {path: one for path, one in placed.items() if _is_new(one)}
    found = list(_asked(fresh, tier or _some_tier(), now))
    return Said(
        tuple((where, why) for where, why, wrong in found if wrong),
        tuple(f"{where}: {why}" for where, why, wrong in found if not wrong),
    )


def _is_new(one: Written) -> bool:
    last = shelf.latest(one.slug)
    return last is None or last.gone or last.written.digest != one.digest


def _some_tier() -> str:
    return next((row.name for row in proxy.selectors.tiers()), ANY_TIER)


def _asked(placed: Mapping[str, Written], tier: str, now: datetime) -> Iterator[tuple[str, str, bool]]:
    """Place, what is to be said, and whether it is wrong: of every signal's own PromQL."""
    metrics = ports.from_settings(timeout=PATIENCE_SECONDS)
    for path, one in placed.items():
        text = texts.read(one.slug, one.source)
        for name, signal in text.definition.signals.items() if text.definition else ():
            if isinstance(signal, Queried) and signal.promql:
                promql = promql_of(signal, tier, text.policy.lookback)
                for why, wrong in _query(promql, signal, metrics, tier, now):
                    yield _join(path, f"signals.{name}.promql"), why, wrong


def _query(
    promql: str, signal: Queried, metrics: Metrics, tier: str, now: datetime
) -> Iterator[tuple[str, bool]]:
    """Why it is wrong (True) or to be looked at (False)."""
    try:
        found = metrics.vector(promql, at=now)
    except BadQuery as error:
        yield f"Prometheus refuses it: {error.message}", True
        return
    except MetricsError as error:
        yield f"Prometheus gave no answer ({error.message}): its PromQL cannot be checked", True
        return
    yield from ((why, True) for why in _slow(promql, metrics, now))
    if found:
        yield from ((why, True) for why in _unlabelled(signal, found))
    else:
        yield f"finds nothing now for tier {tier}: does the metric exist, with these labels?", False


def _slow(promql: str, metrics: Metrics, now: datetime) -> Iterator[str]:
    """It is asked every few seconds, before runs are taken further."""
    try:
        seconds = metrics.cost(promql, at=now).seconds
    except MetricsError:
        return  # it has just been answered: what it costs is not worth a refusal
    if seconds > SLOWEST_SECONDS:
        yield (
            f"takes Prometheus {seconds:.1f} s, and it is asked every 3 s: make it a recording rule"
            f" ({SLOWEST_SECONDS:g} s at most)"
        )


def _unlabelled(signal: Queried, found: Sequence[Sample]) -> Iterator[str]:
    """Series that cannot be told apart as the signal says would be nobody's."""
    wanted = LABELS[signal.by]
    if wanted and not any(label in found[0].labels for label in wanted):
        yield f"its series bear no label {' or '.join(wanted)}, which `by: {signal.by}` tells them apart by"
    if signal.names and signal.names not in found[0].labels:
        yield f"its series bear no label {signal.names}, which `names` tells"


def _join(path: str, where: str) -> str:
    return f"{path}.{where}" if path and where else path or where


def unknown_names(known: Sequence[str], named: Mapping[str, str]) -> Iterator[Problem]:
    """Of names by their places, those of no runbook: a misspelt one would leave a page without a text."""
    for place, name in named.items():
        if name not in known:
            yield place, f"there is no runbook {name}; there are {', '.join(known)}"
