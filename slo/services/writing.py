"""Writes what a tick saw of the budgets: of all of them at once, or of one with what is told of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from slo.models import Budget, Objective
from slo.services.bulk import update_each


@dataclass(frozen=True, slots=True)
class Change:
    """What a tick says of a budget; `held` is the row as the tick read it."""

    held: Budget
    fields: Mapping[str, Any]

    @property
    def news(self) -> bool:
        """Whether that is anything else than the row says already."""
        return any(getattr(self.held, name) != value for name, value in self.fields.items())


def budgets() -> QuerySet[Budget]:
    """Those of the objectives that ticks look at."""
    return Budget.objects.filter(objective__in=Objective.objects.live().filter(problem=""))


def read(rows: Sequence[Objective], *, now: datetime) -> dict[int, Budget]:
    """The budget of each of these, by the objective's number. One that has none gets one."""
    found = {held.objective_id: held for held in budgets()}
    missing = [row for row in rows if row.pk not in found]
    if not missing:
        return found
    made = [Budget(objective=row, since=now, looked_at=now) for row in missing]
    Budget.objects.bulk_create(made, ignore_conflicts=True)
    return {held.objective_id: held for held in Budget.objects.filter(objective__in=rows)}


@transaction.atomic
def write(changes: Iterable[Change], *, now: datetime) -> None:
    """Write what is news, and of all budgets that they were looked at: the same few statements for ten as for
    a thousand.

    Where another tick was since we read, its word stands. All are locked in one order, so that no two ticks
    wait for each other.
    """
    versions = dict(budgets().select_for_update().order_by("pk").values_list("pk", "version"))
    alike: dict[tuple[str, ...], list[Change]] = defaultdict(list)
    for each in changes:
        if each.news and versions.get(each.held.pk) == each.held.version:
            alike[tuple(each.fields)].append(each)
    for names, found in alike.items():
        rows = ({"pk": one.held.pk, "version": one.held.version + 1, **one.fields} for one in found)
        update_each(Budget, ["version", *names], rows)
    budgets().filter(looked_at__lt=now).update(looked_at=now)


def write_one(change: Change, *, now: datetime) -> bool:
    """Write it in the caller's transaction. False where another tick was since we read: its word stands."""
    held = change.held
    fields = {**change.fields, "looked_at": now, "version": held.version + 1}
    return bool(Budget.objects.filter(pk=held.pk, version=held.version).update(**fields))
