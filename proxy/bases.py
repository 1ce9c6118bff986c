"""Describes what a tier stands on: the newest revision, or the newest that this Sluice understands.

See [ADR 10](../docs/adr/0010-what-was-published-is-read-leniently.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from proxy import models, observed, validation
from proxy.domain import leniency
from proxy.domain.errors import Problem
from proxy.domain.leniency import Read
from proxy.domain.tier import Tier

EARLIER = 20
"""So many revisions before the newest are tried: one that is not understood may cost seconds."""
TOLD = 20
"""So many mistakes of a revision are told; one rule may be broken by each of 10,000 routes."""


@dataclass(frozen=True, slots=True)
class Base:
    """`tier` as `revision` declares it; `newest` is the tier's newest revision.

    `refused` is what a new declaration would be refused for and is served all the same. `unread` is what is
    not understood of the newest: where proxies would be given it, `tier` is an earlier one, or what is left
    of the newest (`revision` is 0).
    """

    tier: Tier
    revision: int
    newest: int
    refused: tuple[Problem, ...] = ()
    unread: tuple[Problem, ...] = ()

    @property
    def behind(self) -> bool:
        """Whether the proxies may have something newer than this."""
        return self.revision != self.newest

    @property
    def whole(self) -> bool:
        """Whether it may be served."""
        return self.revision > 0

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with the newest revision, a line each; none where it is as today's rules ask."""
        if not self.behind:
            served = f"revision {self.newest} is served"
            return (
                *_told(f"{served}, but could not be declared today", self.refused),
                *_told(f"{served} without what is not understood", self.unread),
            )
        instead = f"revision {self.revision}" if self.whole else "nothing"
        head = (
            f"revision {self.newest} is not understood by this Sluice: proxies keep what they have, and get "
            f"{instead} where they have nothing. To end it, apply a declaration or go back to a revision"
        )
        return (head, *_told(f"revision {self.newest}", self.unread))


def base(tier: str) -> Base:
    """Raises UnknownTier."""
    revisions = models.Revision.objects.filter(tier__name=tier).values_list("number", "pk", "digest")
    newest = revisions.first()
    if newest is None:
        raise observed.absent(tier)
    number, *which = newest
    found = read(tier, *which)
    if found.servable:
        return Base(found.tier, number, number, found.refused, found.unread)
    for earlier, *which in revisions[1 : EARLIER + 1]:
        older = read(tier, *which)
        if older.servable:
            return Base(older.tier, earlier, number, older.refused, found.unread)
    return Base(found.tier, 0, number, found.refused, found.unread)


@lru_cache(maxsize=16)
def read(tier: str, revision: int, digest: str) -> Read:
    """A revision never changes, and one of 10,000 routes takes a second to read: it is read once.

    The digest is that of its document, so that a number that was given out again, as after a restore, does
    not find the old one. What rules refuse must at least become resources that Envoy's schema takes.
    """
    document = models.Revision.objects.values_list("document", flat=True).get(pk=revision)
    found = leniency.read(tier, document)
    if not found.refused or not found.servable:
        return found
    return replace(found, unread=(*found.unread, *_untranslated(found.tier)))


def _untranslated(tier: Tier) -> Iterator[Problem]:
    try:
        yield from validation.check_resources(validation.made(tier))
    except Exception as error:  # noqa: BLE001  # the translation relies on the rules, so it may fail anyhow
        yield "", f"cannot be translated: {error!r}"


def _told(of: str, problems: Sequence[Problem]) -> tuple[str, ...]:
    lines = [f"{of}: {path}: {why}" if path else f"{of}: {why}" for path, why in problems[:TOLD]]
    left = len(problems) - TOLD
    return (*lines, f"{of}: and {left} more like these") if left > 0 else tuple(lines)
