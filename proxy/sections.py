"""What a declaration may hold beside its tiers: each section is an app's above, and this app imports none.

The composition root names them: `settings.DECLARATION_SECTIONS`, dotted paths of `Section`s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from audit.domain.actor import Actor
from proxy import meanings
from proxy.domain.tier import Tier
from proxy.meanings import Said


@dataclass(frozen=True, slots=True)
class Section:
    """One key at the top of a declaration; `given` is what stands there, None where it is left out.

    `check` also reads the document's tiers by their paths (`tiers[0]`), for they may name what the section
    declares; its problems have whole paths. `changes` says what `declare` would do, a line each; `declare`
    runs in the transaction of the whole declaration. `export` gives what `declare` takes, None where there is
    nothing.
    """

    name: str
    check: Callable[[Any, Mapping[str, Tier], datetime], Said]
    changes: Callable[[Any], tuple[str, ...]]
    declare: Callable[[Any, Actor, str, datetime], tuple[str, ...]]
    export: Callable[[], Any]


def names() -> tuple[str, ...]:
    """The keys that may stand beside `tiers`."""
    return tuple(section.name for section in sections())


def said(document: Mapping[str, Any], tiers: Sequence[Tier], *, now: datetime) -> Said:
    """What all sections say of a document."""
    placed = {meanings.places(document)[tier.name]: tier for tier in tiers}
    found = [section.check(document.get(section.name), placed, now) for section in sections()]
    return Said(
        tuple(problem for one in found for problem in one.problems),
        tuple(line for one in found for line in one.warnings),
    )


def changes(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What the document's sections would change, a line each."""
    return tuple(line for section, given in _declared(document) for line in section.changes(given))


def declare(document: Mapping[str, Any], *, by: Actor, reason: str, now: datetime) -> tuple[str, ...]:
    """Take the document's sections in, inside the caller's transaction; returns what that changed."""
    return tuple(
        line for section, given in _declared(document) for line in section.declare(given, by, reason, now)
    )


def exported() -> dict[str, Any]:
    """Every section that holds something, as `declare` takes it."""
    found = ((section.name, section.export()) for section in sections())
    return {name: given for name, given in found if given is not None}


def sections() -> Sequence[Section]:
    """The sections of this installation, in the order of its settings."""
    return [_loaded(path) for path in settings.DECLARATION_SECTIONS]


def _declared(document: Mapping[str, Any]) -> list[tuple[Section, Any]]:
    return [(section, document[section.name]) for section in sections() if section.name in document]


@cache
def _loaded(path: str) -> Section:
    section: Section = import_string(path)
    return section
