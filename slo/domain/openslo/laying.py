"""Laying a file's objectives over those of a tier: what the tier declares then."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from proxy.domain.errors import Problem
from proxy.domain.tier import Objective as Declared
from proxy.domain.tier import Tier
from slo.domain.objectives import DEFAULT_RUNBOOK, Objective, declared_as, of_tier
from slo.domain.openslo.read import Found


@dataclass(frozen=True, slots=True)
class Laid:
    """What the tier declares, and where each of it stands in the file; None for what was there before."""

    objectives: tuple[Declared, ...]
    origins: tuple[Found | None, ...]


def lay(tier: Tier, found: Sequence[Found], *, replace: bool = False) -> Laid:
    """The tier's objectives with those of the file, by name; with `replace` only those of the file.

    What means the same stays as the tier declares it. A tier that declares none has its defaults, which a
    first objective would end: they are written out beside it.
    """
    before = of_tier(tier)
    written = dict(zip((one.name for one in before), tier.objectives, strict=False))
    new = {one.declared.name: one for one in found}
    kept = [one for one in before if one.name in new or not replace]
    names = [*(one.name for one in kept), *(name for name in new if name not in {one.name for one in kept})]
    current = {one.name: one for one in before}
    changed = {name for name, one in new.items() if declared_as(tier.name, one.declared) != current.get(name)}
    if not changed and len(kept) == len(before):
        return Laid(tier.objectives, (None,) * len(tier.objectives))
    pairs = [_pair(name, new.get(name) if name in changed else None, written, current) for name in names]
    return Laid(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def _pair(
    name: str, found: Found | None, written: dict[str, Declared], current: dict[str, Objective]
) -> tuple[Declared, Found | None]:
    if found is not None:
        return found.declared, found
    return written.get(name) or written_out(current[name]), None


def doubles(found: Sequence[Found]) -> Iterator[Problem]:
    """Objectives of one name, which would be one: the promises of an SLO are numbered after its name."""
    names = Counter(one.declared.name for one in found)
    for one in found:
        if names[one.declared.name] > 1:
            yield one.path("name"), f"there is another objective {one.declared.name} for this tier"


def written_out(one: Objective) -> Declared:
    """The objective as a person would declare it."""
    return Declared(
        name=one.name,
        kind=one.kind,
        description=one.description,
        target=float(100 * one.target),
        route=one.route or None,
        upstream=one.upstream or None,
        threshold_ms=None if one.threshold_us is None else one.threshold_us / 1000,
        resource=one.resource,
        bad=one.bad or None,
        good=one.good or None,
        total=one.total or None,
        gauge=one.gauge or None,
        at_most=_number(one.at_most),
        at_least=_number(one.at_least),
        window_days=30 if one.calendar else one.period.days,
        calendar=one.calendar,
        owner=one.owner,
        severity=one.severity,
        runbook="" if one.runbook == DEFAULT_RUNBOOK else one.runbook,
    )


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
