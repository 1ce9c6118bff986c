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
class Suspect:
    """An open incident as far as causes go.

    `culprits` are (cause, upstream) of its alerts that are about one upstream, `reach` the upstreams that its
    alerts may come from.
    """

    id: int
    tier: str
    cause: str
    pages: bool
    culprits: frozenset[tuple[str, str]] = frozenset()
    reach: frozenset[str] = frozenset()


def explanation(of: Suspect, among: Iterable[Suspect]) -> Suspect | None:
    """The incident on another target of the tier that explains this one: the earliest cause, then the oldest.

    A ticket explains no page: nobody would be woken.
    """
    found = [each for each in among if _explains(each, of)]
    return min(found, key=lambda each: (_rank(each.cause), each.id), default=None)


def _explains(first: Suspect, second: Suspect) -> bool:
    if first.id == second.id or first.tier != second.tier or (second.pages and not first.pages):
        return False
    return any(
        cause in ACROSS and explains(cause, second.cause) and upstream in second.reach
        for cause, upstream in first.culprits
    )


def _rank(cause: str) -> int:
    causes = FAMILIES.get(family(cause), ())
    return causes.index(cause) if cause in causes else len(causes)
