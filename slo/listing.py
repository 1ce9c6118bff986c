"""Lists objectives: narrowed, sorted and cut to a page by the database, whatever their number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, F, Q, Value
from django.db.models.functions import Coalesce

from slo.models import Budget, Objective, ObjectiveQuerySet
from slo.selectors import ObjectiveRow, row_of

Sort = Literal["left", "burn", "name"]
PAGE = 100
TEXTS = ("name", "description", "tier", "route", "upstream", "owner")
EXACT = ("tier", "route", "upstream", "kind", "sli", "owner", "severity")
# No data is last: it is neither the least left nor the fastest burn.
ORDERS = {
    "left": (F("budget__left").asc(nulls_last=True),),
    "burn": (F("budget__burn_1h").desc(nulls_last=True),),
    "name": (),
}
STEADY = ("tier", "name")
"""What comes after the order that was asked for, so that no row is on two pages."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which objectives: what is empty narrows nothing. `text` is looked for in names, places and owners."""

    text: str = ""
    tier: str = ""
    route: str = ""
    upstream: str = ""
    kind: str = ""
    sli: str = ""
    owner: str = ""
    severity: str = ""
    state: str = ""
    sort: Sort = "left"


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the objectives that were wanted.

    `states` counts all that were wanted but for their state, by state; `total` is how many there are with it.
    """

    rows: list[ObjectiveRow]
    total: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the declared objectives can be narrowed by."""

    tiers: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]
    owners: tuple[str, ...]


def listed(wanted: Wanted, *, offset: int = 0, limit: int | None = PAGE) -> Listed:
    """Two queries. An offset past the end gives no rows."""
    found = _narrowed(wanted).annotate(was=Coalesce("budget__state", Value(Budget.State.NO_DATA)))
    states = dict(found.values_list("was").annotate(n=Count("pk")).order_by())
    if wanted.state:
        found = found.filter(was=wanted.state)
    end = None if limit is None else offset + limit
    rows = found.select_related("budget").order_by(*ORDERS[wanted.sort], *STEADY)[offset:end]
    return Listed(
        rows=[row_of(record) for record in rows],
        total=states.get(wanted.state, 0) if wanted.state else sum(states.values()),
        states=states,
    )


def choices() -> Choices:
    """One query; of what is declared now."""
    found = set(Objective.objects.live().values_list("tier", "kind", "owner").distinct().order_by())
    words = dict(Objective.Kind.choices)
    kinds = sorted({kind for _, kind, _ in found})
    return Choices(
        tiers=tuple(sorted({tier for tier, _, _ in found})),
        kinds=tuple((kind, str(words[kind])) for kind in kinds),
        owners=tuple(sorted({owner for _, _, owner in found if owner})),
    )


def _narrowed(wanted: Wanted) -> ObjectiveQuerySet:
    exact = {name: getattr(wanted, name) for name in EXACT if getattr(wanted, name)}
    found = Objective.objects.live().filter(**exact)
    for word in wanted.text.split():
        found = found.filter(_contains(word))
    return found


def _contains(word: str) -> Q:
    anywhere = Q()
    for name in TEXTS:
        anywhere |= Q(**{f"{name}__icontains": word})
    return anywhere
