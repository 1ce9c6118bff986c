"""The section `runbooks` of a declaration: runbooks of teams' own, beside the tiers that may name them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.domain.actor import Actor
from proxy.domain.errors import Invalid, Problem
from proxy.domain.referring import doubles
from proxy.domain.tier import Tier
from proxy.meanings import Said
from proxy.sections import Section
from runbooks import checking, services, shelf, texts
from runbooks.domain.writing import Written, as_declaration, from_declaration

NAME = "runbooks"


def check(given: Any, tiers: Mapping[str, Tier], now: datetime) -> Said:
    """What is wrong with the section, and with what the tiers of the document name."""
    problems, placed = _read(given)
    names = [one.slug for one in placed.values()]
    problems += doubles(enumerate(names), f"{NAME}[{{}}].slug", "runbook")
    known = sorted({*texts.library(), *names})
    problems += checking.unknown_names(known, _named(tiers))
    said = checking.said(placed, tier=next((tier.name for tier in tiers.values()), ""), now=now)
    return Said((*problems, *said.problems), said.warnings)


def changes(given: Any) -> tuple[str, ...]:
    """What declaring the section would change."""
    return tuple(str(change) for change in services.runbook_changes(_declared(given)))


def declare(given: Any, by: Actor, reason: str, now: datetime) -> tuple[str, ...]:
    """Take the section in. Raises Invalid where somebody else was first."""
    try:
        return services.declare(declared=_declared(given), by=by, reason=reason, now=now)
    except (services.BuiltIn, services.ChangedMeanwhile) as error:
        raise Invalid([(NAME, str(error))]) from error


def export() -> list[dict[str, Any]] | None:
    """Every runbook of a team's own, as `declare` takes it."""
    return [as_declaration(row.written) for row in shelf.newest().values()] or None


def _declared(given: Any) -> list[Written]:
    return list(_read(given)[1].values())


def _read(given: Any) -> tuple[list[Problem], dict[str, Written]]:
    """The runbooks by their places, and what is none."""
    if given is None:
        return [], {}
    if not isinstance(given, list):
        return [(NAME, "must be a list of runbooks")], {}
    problems: list[Problem] = []
    placed: dict[str, Written] = {}
    for index, item in enumerate(given):
        place = f"{NAME}[{index}]"
        if isinstance(item, Mapping):
            placed[place] = from_declaration(item)
        else:
            problems.append((place, "must be a mapping"))
    return problems, placed


def _named(tiers: Mapping[str, Tier]) -> dict[str, str]:
    """The runbooks that tiers name, by where they do."""
    named = {f"{path}.runbooks.{name}": name for path, tier in tiers.items() for name in tier.runbooks}
    return named | {
        f"{path}.objectives[{index}].runbook": one.runbook
        for path, tier in tiers.items()
        for index, one in enumerate(tier.objectives)
        if one.runbook
    }


RUNBOOKS = Section(NAME, check=check, changes=changes, declare=declare, export=export)
