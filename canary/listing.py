"""Lists rollouts and releases: narrowed and cut to a page by the database, whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Q

from canary import releases as releasing
from canary import selectors
from canary.domain import states, waves
from canary.domain.outcomes import WANTS_A_PERSON
from canary.models import Member, Release, Rollout
from canary.releases import ReleaseRow
from canary.selectors import RolloutRow

PAGE = 50
STATES = {"live": states.LIVE, "asks": WANTS_A_PERSON, "ended": states.TERMINAL}
RELEASE_STATES = {
    "live": waves.RELEASE_LIVE,
    "ended": tuple(state for state in waves.RELEASE if state not in waves.RELEASE_LIVE),
}
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Listed(Generic[Row]):
    """One page, `number` from 1, of what was asked for; `total` is how many there are of it."""

    rows: Sequence[Row]
    total: int
    number: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))

    @property
    def first(self) -> int:
        """The place of the page's first row among all, from 1."""
        return (self.number - 1) * PAGE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


def rollouts(*, text: str = "", state: str = "", page: int = 1) -> Listed[RolloutRow]:
    """The newest first. Two queries. Each word of `text` is in the route, tier, upstream, key or who began
    it, or is the number; `state` is one of STATES. A page past the end gives no rows.
    """
    found = Rollout.objects.all()
    if state in STATES:
        found = found.filter(state__in=STATES[state])
    for word in text.split():
        found = found.filter(_names(word) | Q(key__icontains=word) | _number(word))
    return Listed(selectors.rows(found[_cut(page)]), found.count(), page)


def releases(*, text: str = "", state: str = "", page: int = 1) -> Listed[ReleaseRow]:
    """The newest first. Three queries. Each word of `text` is in the key or who began it, or names one of its
    rollouts, or is the number; `state` is one of RELEASE_STATES. A page past the end gives no rows.
    """
    found = Release.objects.all()
    if state in RELEASE_STATES:
        found = found.filter(state__in=RELEASE_STATES[state])
    for word in text.split():
        members = Member.objects.filter(_places(word)).values("release")
        by = Q(key__icontains=word) | Q(created_by__icontains=word)
        found = found.filter(by | Q(pk__in=members) | _number(word))
    return Listed(releasing.rows(found[_cut(page)]), found.count(), page)


def _cut(page: int) -> slice:
    return slice((page - 1) * PAGE, page * PAGE)


def _places(word: str) -> Q:
    return Q(route_name__icontains=word) | Q(tier__icontains=word) | Q(upstream__icontains=word)


def _names(word: str) -> Q:
    return _places(word) | Q(created_by__icontains=word)


def _number(word: str) -> Q:
    """A number, with or without the # that the list writes before it; longer ones than a key has are none."""
    digits = word.removeprefix("#")
    is_one = digits.isascii() and digits.isdecimal() and len(digits) < 19
    return Q(pk=int(digits)) if is_one else Q(pk__in=())
