"""OpenSLO files against the tiers: their objectives as a file, what a file would change, and taking it in.

Objectives live in a tier's declaration, so that taking a file in publishes a revision of the tier, by the
same checks as `apply`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audit.domain.actor import Actor
from proxy import bases, differences, meanings, selectors, services, validation
from proxy.domain import document
from proxy.domain.errors import Invalid, Problem
from slo.domain.objectives import of_tier
from slo.domain.openslo.laying import Laid, doubles, lay
from slo.domain.openslo.read import Found, read
from slo.domain.openslo.write import render

_PLACE = re.compile(r"tiers\[(\d+)\]\.objectives\[(\d+)\]\.?(\w*)")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file did, or would do: the changes, the new revisions by tier, and what costs more than it need
    or could be stricter. `notes` are what of the file is not kept, or is taken otherwise than written.
    """

    changes: tuple[str, ...] = ()
    revisions: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The tiers that the file changes, as declarations, and the revisions that they were made from."""

    tiers: tuple[str, ...]
    declared: dict[str, Any]
    laid: tuple[Laid, ...]
    made_from: dict[str, int]
    notes: tuple[Problem, ...]

    def placed(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """With the places that the file knows."""
        for path, message in problems:
            found = _PLACE.match(path)
            origin = self.laid[int(found[1])].origins[int(found[2])] if found else None
            yield (origin.path(found[3]) if origin and found else path), message


def exported(tier: str | None = None) -> str:
    """The objectives of one tier or of all as OpenSLO. Raises UnknownTier."""
    names = [row.name for row in selectors.tiers()] if tier is None else [tier]
    return render([one for name in names for one in of_tier(bases.base(name).tier)])


def plan(text: str, *, into: str | None = None, replace: bool = False, now: datetime) -> Taken:
    """What the file would change, after every check; writes nothing. As `take_in` else."""
    prepared = _prepare(text, into, replace=replace)
    if not prepared.tiers:
        return Taken(notes=prepared.notes)
    tiers = document.parse(prepared.declared)
    said = meanings.said(prepared.declared, tiers, now=now)
    problems = [*(one for tier in tiers for one in validation.check_with_envoy(tier)), *said.problems]
    if problems:
        raise Invalid(prepared.placed(problems))
    changes = tuple(str(change) for tier in tiers for change in differences.plan(tier))
    return Taken(changes, warnings=said.warnings, notes=prepared.notes)


def take_in(
    text: str, *, into: str | None = None, replace: bool = False, by: Actor, reason: str, now: datetime
) -> Taken:
    """Publish the tiers with the file's objectives laid over theirs, by name; with `replace` only the file's.

    An objective goes to the tier `into`, else to that of its service's name, else to the only one. Raises
    Invalid with all mistakes, and then nothing is changed; Overtaken where a tier was published meanwhile.
    """
    prepared = _prepare(text, into, replace=replace)
    if not prepared.tiers:
        return Taken(notes=prepared.notes)
    try:
        applied = services.apply(
            document=prepared.declared,
            by=by,
            reason=reason,
            now=now,
            gate=validation.check_with_envoy,
            made_from=prepared.made_from,
        )
    except Invalid as error:
        raise Invalid(prepared.placed(error.errors)) from error
    return Taken(applied.changes, applied.revisions, applied.warnings, prepared.notes)


def _prepare(text: str, into: str | None, *, replace: bool) -> _Prepared:
    """Raises Invalid, and UnknownTier where there is no tier `into`."""
    said = read(text)
    known = [row.name for row in selectors.tiers()]
    notes, problems = list(said.notes), list(said.problems)
    sorted_out: dict[str, list[Found]] = defaultdict(list)
    for found in said.found:
        tier = into or _tier_of(found, known)
        if tier is None:
            problems.append((found.path("service"), _WHICH.format(found.service or "none", ", ".join(known))))
            continue
        if found.service not in ("", tier):
            notes.append((found.path("service"), f"{found.service} is not kept: it goes to the tier {tier}"))
        sorted_out[tier].append(found)
    problems += [problem for each in sorted_out.values() for problem in doubles(each)]
    if problems:
        raise Invalid(dict.fromkeys(problems))
    return _laid(sorted_out, notes, replace=replace)


_WHICH = "the service {} is no tier: name the tier with --tier ({})"


def _tier_of(found: Found, known: Sequence[str]) -> str | None:
    if found.service in known:
        return found.service
    return known[0] if len(known) == 1 else None


def _laid(found: Mapping[str, Sequence[Found]], notes: Sequence[Problem], *, replace: bool) -> _Prepared:
    made_from, laid, declared = {}, [], []
    for name, new in found.items():
        base = bases.base(name)
        if base.unread:  # it would be buried under what is left of it
            raise Invalid((name, line) for line in base.troubles)
        over = lay(base.tier, new, replace=replace)
        if over.objectives != base.tier.objectives:
            tier = base.tier.model_copy(update={"objectives": over.objectives})
            made_from[name] = base.revision
            laid.append(over)
            declared.append(tier.declaration())
    return _Prepared(tuple(made_from), {"tiers": declared}, tuple(laid), made_from, tuple(notes))
