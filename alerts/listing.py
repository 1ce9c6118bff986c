"""Lists incidents: narrowed and cut to a page by the database, whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from alerts.domain.wanted import Wanted
from alerts.models import Incident, IncidentQuerySet
from alerts.rows import IncidentRow
from alerts.selectors import rows_of

PAGE = 50
TEXTS = ("title", "tier", "route", "of_upstream", "upstream", "cause", "action", "acked_by")


@dataclass(frozen=True, slots=True)
class Listed:
    """One page, the newest first, and how many there are in all."""

    rows: Sequence[IncidentRow]
    total: int


def listed(wanted: Wanted, *, offset: int = 0) -> Listed:
    """Two queries. An offset past the end gives no rows."""
    found = _narrowed(wanted)
    return Listed(rows_of(found[offset : offset + PAGE]), found.count())


def tiers() -> list[str]:
    """The tiers that had incidents, by name."""
    return list(Incident.objects.exclude(tier="").order_by("tier").values_list("tier", flat=True).distinct())


def _narrowed(wanted: Wanted) -> IncidentQuerySet:
    found = Incident.objects.all()
    if wanted.state == "open":
        found = found.open()
    elif wanted.state:
        found = found.filter(state=wanted.state.upper())
    exact = {name: getattr(wanted, name) for name in ("tier", "severity") if getattr(wanted, name)}
    found = found.filter(**exact)
    if not wanted.explained:
        found = found.filter(explained_by=None)
    for word in wanted.text.split():
        found = found.filter(_contains(word))
    return found


def _contains(word: str) -> Q:
    number = word.removeprefix("#")
    anywhere = Q(pk=int(number)) if number.isdecimal() and len(number) < 10 else Q()
    for name in TEXTS:
        anywhere |= Q(**{f"{name}__icontains": word})
    return anywhere
