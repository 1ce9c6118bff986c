"""Lists objectives: narrowed, sorted and cut to a page by the database, whatever their number."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Case, Count, F, Q, Value, When, Window
from django.db.models.functions import Coalesce, RowNumber

from slo.domain.families import FAMILIES, SLUGS, Family
from slo.domain.wanted import Choices, Wanted
from slo.models import Budget, Objective, ObjectiveQuerySet
from slo.selectors import ObjectiveRow, row_of

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
SHOWN = SHOWN_OF_FAMILY = 3
WORST_FIRST: tuple[str, ...] = ("burning", "spent", "no_data", "ok")
_LOOKED_AT = Coalesce("budget__state", Value(Budget.State.NO_DATA))


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the objectives that were wanted.

    `states` counts all that were wanted but for their state, by state; `total` is how many there are with it.
    """

    rows: list[ObjectiveRow]
    total: int
    states: Mapping[str, int]


@dataclass(slots=True)
class Standing:
    """How a tier's objectives stand: a few that matter most, and how many there are by state."""

    rows: list[ObjectiveRow] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def burning(self) -> list[str]:
        """The names of those that burn: those that are shown, and how many more."""
        shown = [row.name for row in self.rows if row.state == Budget.State.BURNING]
        more = self.states.get(Budget.State.BURNING, 0) - len(shown)
        return [*shown, f"{more} more"] if more > 0 else shown


def standings() -> dict[str, Standing]:
    """By tier. Two queries, and as many rows to read for ten objectives as for a thousand.

    What matters: what the tier promises as a whole and pages for, then what burns, then the least left.
    """
    found: dict[str, Standing] = defaultdict(Standing)
    live = Objective.objects.live()
    counted = live.values_list("tier", _LOOKED_AT).annotate(n=Count("pk")).order_by()
    for tier, state, number in sorted(counted, key=lambda row: WORST_FIRST.index(row[1])):
        found[tier].states[state] = number
    matters = (
        Case(When(route="", upstream="", severity="page", then=0), default=1).asc(),
        F("budget__firing").desc(nulls_last=True),
        *ORDERS["left"],
        F("name").asc(),
    )
    place = Window(RowNumber(), partition_by="tier", order_by=matters)
    for record in (
        live.select_related("budget").annotate(place=place).filter(place__lte=SHOWN).order_by("place")
    ):
        found[record.tier].rows.append(row_of(record))
    return found


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One family of a tier's objectives: a few of them, and how many there are."""

    family: Family
    rows: list[ObjectiveRow]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


def families(tier: str) -> list[FamilyRow]:
    """Of each family what the tier promises as a whole, then what has the least left. Two queries."""
    live = Objective.objects.live().filter(tier=tier)
    by_kind = dict(live.values_list("kind").annotate(n=Count("pk")).order_by())
    family = Case(*(When(kind__in=each.kinds, then=Value(each.slug)) for each in FAMILIES))
    matters = (
        Case(When(route="", upstream="", then=0), default=1).asc(),
        *ORDERS["left"],
        F("name").asc(),
    )
    place = Window(RowNumber(), partition_by=family, order_by=matters)
    placed = live.select_related("budget").annotate(place=place)
    found: dict[str, list[ObjectiveRow]] = defaultdict(list)
    for record in placed.filter(place__lte=SHOWN_OF_FAMILY).order_by("place"):
        found[SLUGS[record.kind]].append(row_of(record))
    return [
        FamilyRow(each, found[each.slug], sum(by_kind.get(kind, 0) for kind in each.kinds))
        for each in FAMILIES
        if each.slug != "own" or found["own"]
    ]


def listed(wanted: Wanted, *, offset: int = 0, limit: int | None = PAGE) -> Listed:
    """Two queries. An offset past the end gives no rows."""
    found = _narrowed(wanted).annotate(was=_LOOKED_AT)
    counted = dict(found.values_list("was").annotate(n=Count("pk")).order_by())
    states = {state: counted[state] for state in WORST_FIRST if state in counted}
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
