"""Lists routes: narrowed and cut to a page by the database, whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from proxy import models
from proxy.selectors import RouteRow, route_row

PAGE = 100


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the routes that were asked for; `total` is how many there are of them."""

    rows: Sequence[RouteRow]
    total: int


def listed(*, text: str = "", tier: str = "", offset: int = 0) -> Listed:
    """By tier and name. Two queries. Each word of `text` is in the name, a host, an upstream or the tier's
    name. An offset past the end gives no rows.
    """
    found = models.Route.objects.filter(retired_at=None)
    if tier:
        found = found.filter(tier__name=tier)
    for word in text.split():
        found = found.filter(_contains(word))
    rows = found.select_related("tier").order_by("tier__name", "name")[offset : offset + PAGE]
    return Listed(tuple(route_row(row) for row in rows), found.count())


def _contains(word: str) -> Q:
    # Hosts and splits are JSON, whose text has quotes and brackets around the names.
    return (
        Q(name__icontains=word)
        | Q(tier__name__icontains=word)
        | Q(hosts__icontains=word)
        | Q(split__icontains=word)
    )
