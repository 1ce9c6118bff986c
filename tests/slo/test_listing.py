"""Listing objectives: what narrows, what sorts, and what a page of a thousand costs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from slo import listing
from slo.domain import objectives as domain
from slo.domain.families import SLUGS
from slo.domain.indicators import sli
from slo.domain.wanted import Wanted
from slo.models import Budget, Objective

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def declared(name: str, *, kind: domain.Kind = "route_availability", **fields: Any) -> Objective:
    row = Objective(
        **{"tier": "edge", "route": "shop", "name": name, "kind": kind, "target": Decimal("0.99"), **fields},
        created_at=NOW,
        changed_at=NOW,
    )
    row.sli = sli(row.plain())
    row.save()
    return row


def looked_at(row: Objective, **fields: Any) -> None:
    Budget.objects.create(objective=row, since=NOW, looked_at=NOW, **{"state": "ok", **fields})


def names(**wanted: Any) -> list[str]:
    return [row.name for row in listing.listed(Wanted(**wanted)).rows]


def test_the_least_budget_comes_first_and_no_data_last() -> None:
    looked_at(declared("half"), left=0.5)
    looked_at(declared("blind"), left=None)
    looked_at(declared("gone"), left=-3.0)
    declared("new")

    assert names(sort="left") == ["gone", "half", "blind", "new"]


def test_the_fastest_burn_comes_first_and_no_data_last() -> None:
    looked_at(declared("slow"), burn_1h=0.4)
    looked_at(declared("blind"))
    looked_at(declared("fast"), burn_1h=20.0)

    assert names(sort="burn") == ["fast", "slow", "blind"]


def test_each_word_of_a_search_is_found_somewhere() -> None:
    declared("checkout", owner="Team Money")
    declared("search", owner="Team Find")
    declared("cart", description="what is put into the checkout")

    assert names(text="CHECKOUT", sort="name") == ["cart", "checkout"]
    assert names(text="checkout money") == ["checkout"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"tier": "inner"}, ["other-tier"]),
        ({"route": "shop", "sli": "added_latency:3000"}, ["latency"]),
        ({"kind": "added_latency"}, ["latency"]),
        ({"owner": "money"}, ["owned"]),
        ({"severity": "ticket"}, ["ticket"]),
        ({"state": "burning"}, ["owned"]),
        ({"state": "no_data", "severity": "page", "tier": "edge"}, ["latency"]),
        ({"tier": "nowhere"}, []),
    ],
)
def test_a_list_is_narrowed(wanted: dict[str, str], found: list[str]) -> None:
    declared("other-tier", tier="inner")
    declared("latency", kind="added_latency", threshold_us=3000)
    looked_at(declared("owned", owner="money"), state="burning")
    declared("ticket", severity="ticket")

    assert names(**wanted) == found


def test_what_is_no_longer_declared_is_not_listed() -> None:
    declared("old", retired_at=NOW)

    assert names() == []


def test_states_are_counted_over_every_page_and_whatever_state_is_asked_for() -> None:
    for place in range(5):
        looked_at(declared(f"fine-{place}"))
    looked_at(declared("hot"), state="burning")

    found = listing.listed(Wanted(state="ok", sort="name"), offset=3, limit=10)

    assert [row.name for row in found.rows] == ["fine-3", "fine-4"]
    assert (found.total, list(found.states.items())) == (5, [("burning", 1), ("ok", 5)])


def test_the_pages_of_equals_hold_each_of_them_once() -> None:
    for place in range(7):
        looked_at(declared(f"same-{place}"), left=1.0)

    pages = [listing.listed(Wanted(), offset=start, limit=3).rows for start in (0, 3, 6)]

    assert [row.name for page in pages for row in page] == [f"same-{place}" for place in range(7)]


def test_what_can_be_chosen_is_what_is_declared() -> None:
    declared("one", owner="money")
    declared("two", kind="added_latency", threshold_us=3000, owner="find")
    declared("old", owner="nobody", retired_at=NOW)

    found = listing.choices()

    assert (found.tiers, found.owners) == (("edge",), ("find", "money"))
    assert [kind for kind, _ in found.kinds] == ["added_latency", "route_availability"]


def test_a_family_shows_what_the_tier_promises_then_the_least_left_and_counts_the_rest() -> None:
    for place in range(4):
        looked_at(declared(f"route-{place}"), left=place / 10)
    looked_at(declared("whole", kind="proxy_availability", route=""), left=0.9)
    declared("busy", kind="saturation", route="", resource="memory", at_most=0.8)

    found = {row.family.slug: row for row in listing.families("edge")}

    assert [row.name for row in found["availability"].rows] == ["whole", "route-0", "route-1"]
    assert found["availability"].more == 2
    assert [row.name for row in found["saturation"].rows] == ["busy"]
    assert (found["tls"].rows, "own" in found) == ([], False)


def test_every_kind_is_in_one_family() -> None:
    assert set(SLUGS) == set(Objective.Kind.values)
