"""A tick writes all budgets at once: as many queries for ten as for hundreds, and no other tick's word is lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.domain.actor import Actor
from proxy import services as proxy
from slo import services
from slo.models import Budget, Objective
from slo.services import writing
from slo.services.bulk import update_each
from slo.services.writing import Change
from telemetry.memory import InMemoryMetrics
from tests.slo.recorded import NOW, Traffic, recorded, tier
from tests.support.rivals import Rival, two_writers

pytestmark = pytest.mark.django_db
BY = Actor(name="ann", source="cli")
TICK = timedelta(seconds=15)


def apply(routes: int) -> list[str]:
    """A tier with so many routes, served and with its objectives. The routes' names."""
    names = [f"route-{number}" for number in range(routes)]
    document = tier(*names).model_dump(mode="json", exclude_unset=True)
    proxy.apply(document={"tiers": [document]}, by=BY, reason="it is new", now=NOW, gate=lambda _: [])
    services.sync_all(now=NOW)
    return names


def metrics(names: list[str], number: int, **share: float) -> InMemoryMetrics:
    """What the tick of this number reads; no two read the same."""
    traffic = [Traffic(name, rate=100 + number, **share) for name in names]
    declared = [row.plain() for row in Objective.objects.live()]
    return recorded(*traffic, of=declared, scraped=NOW + number * TICK)


def queries(names: list[str], number: int, **share: float) -> int:
    read = metrics(names, number, **share)
    with CaptureQueriesContext(connection) as asked:
        services.tick(metrics=read, now=NOW + number * TICK)
    return len(asked)


def test_a_tick_asks_the_database_as_often_for_ten_objectives_as_for_three_hundred() -> None:
    def asked(routes: int) -> list[int]:
        names = apply(routes)
        queries(names, 1)
        return [queries(names, 2, backend=0.0001), queries(names, 2, backend=0.0001)]

    few, many = asked(10), asked(300)

    assert Budget.objects.filter(looked_at=NOW + 2 * TICK).count() == 307
    assert few == many
    assert few[1] < few[0] < 25


def test_what_is_written_at_once_is_read_as_it_was_written() -> None:
    apply(2)
    services.tick(metrics=metrics(["route-0"], 0), now=NOW)
    given: list[dict[str, Any]] = [
        {
            "exhausted_in": timedelta(days=1, hours=2, microseconds=3),
            "why": 'it\'s "so" \\ é 100 %',
            "left": -0.1,
        },
        {"exhausted_in": None, "why": "", "left": None},
    ]
    for row in given:
        row |= {
            "state": Budget.State.BURNING,
            "since": NOW + timedelta(microseconds=7),
            "windows": [{"burn": 0.1, "why": 'a "b"', "none": None}],
            "firing": True,
            "version": 5,
        }
    held = list(Budget.objects.order_by("pk"))
    chosen = held[:2]

    update_each(Budget, list(given[0]), [{"pk": h.pk, **row} for h, row in zip(chosen, given, strict=True)])

    for budget, row in zip(chosen, given, strict=True):
        budget.refresh_from_db()
        assert {name: getattr(budget, name) for name in row} == row
    assert not Budget.objects.exclude(pk__in=[each.pk for each in chosen]).filter(firing=True).exists()


def test_another_ticks_word_stands() -> None:
    apply(2)
    services.tick(metrics=metrics(["route-0", "route-1"], 0), now=NOW)
    mine = list(Budget.objects.filter(objective__route__startswith="route"))
    other = Budget.objects.get(pk=mine[0].pk)
    writing.write_one(Change(other, {"why": "the other's"}), now=NOW + 2 * TICK)

    writing.write([Change(held, {"why": "mine"}) for held in mine], now=NOW + TICK)

    found = {row.pk: row for row in Budget.objects.all()}
    assert (found[mine[0].pk].why, found[mine[0].pk].looked_at) == ("the other's", NOW + 2 * TICK)
    assert (found[mine[1].pk].why, found[mine[1].pk].looked_at) == ("mine", NOW + TICK)
    assert found[mine[1].pk].version == mine[1].version + 1


def test_what_says_nothing_new_is_not_written_anew() -> None:
    names = apply(2)
    services.tick(metrics=metrics(names, 0), now=NOW)
    before = dict(Budget.objects.values_list("pk", "version"))
    (shop, *_) = Budget.objects.filter(objective__route="route-0")

    writing.write([Change(shop, {"why": shop.why, "left": shop.left})], now=NOW + TICK)

    assert dict(Budget.objects.values_list("pk", "version")) == before
    assert set(Budget.objects.values_list("looked_at", flat=True)) == {NOW + TICK}


def test_an_objective_that_is_retired_meanwhile_does_not_begin_to_fire_again() -> None:
    names = apply(2)
    services.tick(metrics=metrics(names, 0, backend=0.2), now=NOW)
    (held,) = Budget.objects.filter(objective__route="route-0")
    services.sync(tier=tier("route-1"), by=BY, now=NOW)

    won = writing.write_one(Change(held, {"firing": True}), now=NOW + TICK)

    assert (held.firing, won) == (True, False)
    assert not Budget.objects.get(pk=held.pk).firing


@two_writers
@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_both_end_and_one_word_stands() -> None:
    names = apply(20)
    services.tick(metrics=metrics(names, 0), now=NOW)
    held = list(Budget.objects.all())

    def act(why: str) -> Callable[[], None]:
        return lambda: writing.write([Change(each, {"why": why}) for each in held], now=NOW + TICK)

    rival = Rival(act("the rival's"))
    with transaction.atomic():
        act("mine")()
        rival.start()
        rival.until_it_waits()
    assert rival.ended() is None
    assert set(Budget.objects.values_list("why", flat=True)) == {"mine"}
