"""What the apps above say of a declaration: each owns the meaning of its part, and this app imports none.

The composition root names the checks: `settings.DECLARATION_CHECKS`, dotted paths.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from proxy import selectors
from proxy.domain.errors import Problem, UnknownTier
from proxy.domain.tier import Tier


@dataclass(frozen=True, slots=True)
class Said:
    """What is wrong, each with its place in the tier (`objectives[1].target`), and what is pointed out.

    `wants_reason` is what nobody should publish without saying why.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    wants_reason: tuple[str, ...] = ()


Check = Callable[[Tier, Tier | None, datetime], Said]
"""Of a declared tier, what is published of it now (None: nothing is), and the time."""


def said(document: Mapping[str, Any], tiers: Sequence[Tier], *, now: datetime) -> Said:
    """What all checks say of the tiers of a document, each problem with its path in it."""
    at = places(document)
    found = [
        (at[tier.name], check(tier, _published(tier.name), now)) for tier in tiers for check in _checks()
    ]
    return Said(
        tuple((f"{path}.{where}", message) for path, one in found for where, message in one.problems),
        tuple(line for _, one in found for line in one.warnings),
        tuple(line for _, one in found for line in one.wants_reason),
    )


def places(document: Mapping[str, Any]) -> dict[str, str]:
    """The path of each tier in the document, by its name."""
    return {raw["name"]: f"tiers[{index}]" for index, raw in enumerate(document.get("tiers", ()))}


def _published(tier: str) -> Tier | None:
    try:
        return selectors.base(tier)
    except UnknownTier:
        return None


def _checks() -> Iterable[Check]:
    return [_loaded(path) for path in settings.DECLARATION_CHECKS]


@cache
def _loaded(path: str) -> Check:
    check: Check = import_string(path)
    return check
