"""One incident for one cause, across targets: what is told, who is called, what may start a run."""

from typing import Any

import pytest

from alerts import explaining, listing, selectors, services
from alerts.domain.causes import Consequence, Culprit, explanation
from alerts.domain.wanted import Wanted
from alerts.models import Outbox
from tests.alerts.factories import (
    ANN,
    NOW,
    RUNBOOKS,
    at,
    brownout,
    clear,
    incident,
    posts,
    signal,
    storm,
    texts,
    unhandled,
)

pytestmark = pytest.mark.django_db


def culprit(number: int, cause: str, **over: Any) -> Culprit:
    facts: dict[str, Any] = {"tier": "edge", "upstream": "x", "pages": True}
    return Culprit(id=number, cause=cause, **(facts | over))


def consequence(cause: str = "retry_storm") -> Consequence:
    return Consequence(id=1, tier="edge", cause=cause, pages=True, reach=frozenset({"x", "z"}))


def test_the_earliest_cause_at_the_same_upstream_explains() -> None:
    brown, canary = culprit(2, "brownout"), culprit(3, "canary")
    assert explanation(consequence(), [brown, canary]) == canary


@pytest.mark.parametrize(
    "other",
    [
        culprit(2, "brownout", upstream="y"),
        culprit(2, "brownout", tier="inner"),
        culprit(2, "brownout", pages=False),
        culprit(2, "retry_storm"),
        culprit(2, "hotspot"),
        culprit(1, "brownout"),
    ],
    ids=["another upstream", "another tier", "a ticket", "alike", "later", "itself"],
)
def test_what_is_no_cause_at_the_same_upstream_explains_nothing(other: Culprit) -> None:
    assert explanation(consequence(), [other]) is None


def test_a_burning_budget_explains_nothing_elsewhere_since_it_is_a_symptom() -> None:
    assert explanation(consequence("slo_ticket"), [culprit(2, "slo_burn")]) is None


def test_a_brownout_explains_the_storms_of_every_route_that_goes_there() -> None:
    parent = brownout()
    children = [storm("shop"), storm("payments", through=("shop-v1",))]
    stranger = storm("greeter", through=("greeter",))

    assert [incident(number).explained_by_id for number in children] == [parent, parent]
    assert incident(stranger).explained_by_id is None
    assert [post.incident_id for post in posts()] == [parent, stranger]
    assert {row.id for row in selectors.open_incidents()} == {parent, stranger}


def test_a_cause_that_is_seen_late_is_joined_at_the_next_look() -> None:
    child, parent = storm(), brownout()

    assert explaining.relate(now=at(1)) == 1
    assert explaining.relate(now=at(1)) == 0
    assert incident(child).explained_by_id == parent
    shown = Outbox.objects.filter(incident=child, op="update").latest("id")
    assert f"Incident {parent} explains this one" in str(shown.payload)
    assert incident(child).escalates_at is None


def test_only_the_parent_may_start_a_run() -> None:
    brownout()
    storm()
    found = unhandled(tier="edge", route="shop", through=("shop-v1", "shop-v2"))
    assert found == {"brownout", "retry_storm"}
    assert unhandled(tier="edge", upstream="shop-v1") == {"brownout"}
    assert unhandled(tier="edge", route="greeter", through=("greeter",)) == set()


def test_a_mitigated_cause_no_longer_holds_a_run_back() -> None:
    parent = brownout()
    services.mitigate(incident_id=parent, by=RUNBOOKS, reason="fast 503", now=NOW)
    assert unhandled(tier="edge", route="shop", through=("shop-v1",)) == set()


def test_a_hotspot_is_explained_by_the_storm_of_the_only_route_to_it() -> None:
    parent = storm(through=("shop-v1",))
    child = signal("grpc-hotspot", "hotspot", {"tier": "edge", "upstream": "shop-v1"})
    assert incident(child).explained_by_id == parent


def test_what_goes_on_without_its_cause_is_told_a_minute_later() -> None:
    parent, child = brownout(), storm()
    clear("brownout", {"tier": "edge", "upstream": "shop-v1"}, now=at(1))

    assert explaining.relate(now=at(1.5)) == 0
    assert explaining.relate(now=at(2)) == 1
    services.expire_silences(now=at(2))
    services.expire_silences(now=at(2))

    assert incident(child).explained_by_id is None
    told = [text for text in texts() if text.startswith("retry-storm")]
    assert len(told) == 1
    assert incident(parent).state == "RESOLVED"


def test_what_was_told_before_it_was_explained_is_told_again_when_it_goes_on_alone() -> None:
    child = storm()
    brownout(now=at(1))
    explaining.relate(now=at(1))
    clear("brownout", {"tier": "edge", "upstream": "shop-v1"}, now=at(2))
    explaining.relate(now=at(3))
    services.expire_silences(now=at(3))

    assert posts()[-1].incident_id == child
    assert posts()[-1].payload["text"].startswith("Still open: retry-storm")


def test_what_ends_with_its_cause_is_never_told() -> None:
    brownout()
    child = storm()
    clear("brownout", {"tier": "edge", "upstream": "shop-v1"}, now=at(1))
    clear("retry-storm", {"tier": "edge", "route": "shop"}, now=at(1.2))
    explaining.relate(now=at(3))
    services.expire_silences(now=at(3))

    assert not [post for post in posts() if post.incident_id == child]


def test_what_an_explained_incident_must_ask_stands_in_its_causes_thread() -> None:
    parent, child = brownout(), storm()
    services.tell(key="a", kind="APPROVAL", incident_id=child, heading="Approve?", now=NOW)
    assert posts()[-1].incident_id == parent


def test_what_was_told_before_keeps_its_thread() -> None:
    child = storm()
    brownout()
    explaining.relate(now=at(1))
    services.tell(key="a", kind="APPROVAL", incident_id=child, heading="Approve?", now=at(1))
    assert posts()[-1].incident_id == child


def test_what_is_explained_stands_with_its_cause_in_the_list() -> None:
    parent, child = brownout(), storm()
    assert [(row.id, row.explains) for row in listing.listed(Wanted()).rows] == [(parent, 1)]
    assert {row.id for row in listing.listed(Wanted(explained=True)).rows} == {parent, child}
    assert [row.id for row in selectors.explained(parent)] == [child]


def test_brownouts_of_two_upstreams_are_two_incidents() -> None:
    one, two = brownout("shop-v1"), brownout("shop-v2")
    assert one != two
    assert [incident(n).target for n in (one, two)] == ["edge/upstream/shop-v1", "edge/upstream/shop-v2"]


def test_a_silence_of_one_upstream_is_none_of_the_tier() -> None:
    number = brownout()
    services.silence(incident_id=number, until=at(60), by=ANN, reason="known", now=NOW)
    assert selectors.silenced(tier="edge", upstream="shop-v1", now=at(1))
    assert not selectors.silenced(tier="edge", upstream="shop-v2", now=at(1))
    assert not selectors.silenced(tier="edge", route="shop", now=at(1))


@pytest.mark.parametrize("number", [5, 50])
def test_the_look_takes_as_many_queries_for_five_as_for_fifty(
    number: int, django_assert_num_queries: Any
) -> None:
    for place in range(number):
        storm(f"route-{place}", through=(f"own-{place}", "other"))
    brownout("nobody")
    with django_assert_num_queries(3):
        explaining.relate(now=at(1))


@pytest.mark.parametrize("number", [5, 50])
def test_the_list_takes_as_many_queries_for_five_as_for_fifty(
    number: int, django_assert_num_queries: Any
) -> None:
    for place in range(number):
        storm(f"route-{place}", through=(f"own-{place}",))
    with django_assert_num_queries(2):
        assert listing.listed(Wanted(text="storm")).total == number
