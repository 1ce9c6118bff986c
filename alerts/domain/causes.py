"""Causes and how they join: signals of one family on one target share one incident.

The earlier cause explains the later ones: a broken canary makes the retries, the retries spend the
budget, fast or slowly. The incident bears the first cause in this order, and only that cause starts a run.

Across targets an incident explains another where it is about one upstream that the other's requests go to:
a brownout of an upstream explains the retry storms of every route that is split to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

FAMILIES: dict[str, tuple[str, ...]] = {
    "service": ("canary", "brownout", "retry_storm", "hotspot", "slo_burn", "slo_ticket"),
    "proxy": ("cpu", "slow_client", "tls", "added_latency", "creep"),
    "automation": ("automation",),
}
# A burnt budget is a symptom: what its target shares with others may not be what burns theirs.
ACROSS = ("canary", "brownout", "retry_storm")


def family(cause: str) -> str:
    """The family that `cause` belongs to; a cause that is not listed is a family of its own."""
    return next((name for name, causes in FAMILIES.items() if cause in causes), cause)


def known(cause: str) -> bool:
    """Whether `cause` has its place in a family."""
    return any(cause in causes for causes in FAMILIES.values())


def explains(first: str, second: str) -> bool:
    """True when `first` is a cause of `second`: same family, and earlier in its order."""
    causes = FAMILIES.get(family(first), ())
    return first in causes and second in causes and causes.index(first) < causes.index(second)


def parent(first: str, second: str) -> str:
    """The one of two joined causes that explains the other; `first` when neither does."""
    return second if explains(second, first) else first


@dataclass(frozen=True, slots=True)
class Culprit:
    """An open incident that has an alert of this cause, about this one upstream."""

    id: int
    tier: str
    upstream: str
    cause: str
    pages: bool


@dataclass(frozen=True, slots=True)
class Consequence:
    """An open incident that may come from another one: `reach` are the upstreams that it could come from."""

    id: int
    tier: str
    cause: str
    pages: bool
    reach: frozenset[str]


def explanation(of: Consequence, among: Iterable[Culprit]) -> Culprit | None:
    """The incident on another target of the tier that explains this one: the earliest cause, then the oldest.

    A ticket explains no page: nobody would be woken.
    """
    found = [each for each in among if _explains(each, of)]
    return min(found, key=lambda each: (ACROSS.index(each.cause), each.id), default=None)


def _explains(first: Culprit, second: Consequence) -> bool:
    return (
        first.id != second.id
        and first.tier == second.tier
        and first.upstream in second.reach
        and first.cause in ACROSS
        and explains(first.cause, second.cause)
        and (first.pages or not second.pages)
    )
