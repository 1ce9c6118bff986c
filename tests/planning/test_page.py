"""The page of planning: the answer first, drawn, and in a table."""

import pytest
from django.test import Client
from django.utils import timezone

import proxy.services
from access.domain.roles import Role
from planning import selectors, services
from planning.domain import graph
from planning.domain.drawing import Box, Drawing, drawing
from tests.proxy.factories import document
from tests.support.people import BY, person

pytestmark = pytest.mark.django_db
CALLS = [
    {"from": "clients", "to": "shop", "route": "edge/shop"},
    {"from": "shop", "to": "stock", "attempts": 3},
    {"from": "shop", "to": "mail"},
    {"from": "mail", "to": "stock"},
]


def declare() -> None:
    now = timezone.now()
    proxy.services.apply(document=document(objectives=[]), by=BY, reason="", now=now)
    services.declare(graph=graph.read({"calls": CALLS}), by=BY, reason="", now=now)


def shown() -> str:
    client = Client()
    client.force_login(person(Role.VIEWER))
    return client.get("/planning/").content.decode()


def drawn() -> Drawing:
    return drawing(selectors.graph(), selectors.amplified(now=timezone.now()))


def test_without_a_graph_it_teaches_how_to_declare_one() -> None:
    assert "No call graph is declared" in shown()


def test_the_heaviest_service_and_what_to_do_come_first() -> None:
    declare()
    page = shown()
    assert "One request can become <strong>x6</strong> at stock" in page
    assert "keep edge/shop, switch off shop" in page


def test_a_service_stands_right_of_all_its_callers_and_no_two_cover_each_other() -> None:
    declare()
    boxes = {box.name: box for box in drawn().boxes}
    assert boxes["clients"].x < boxes["shop"].x < boxes["mail"].x < boxes["stock"].x
    places = [(box.x, box.y) for box in boxes.values()]
    assert len(set(places)) == len(places)
    assert isinstance(boxes["stock"], Box)
    assert (boxes["stock"].flagged, boxes["mail"].flagged) == (True, False)


def test_what_retries_is_told_apart() -> None:
    declare()
    assert [(line.label, line.retries) for line in drawn().lines] == [
        ("edge/shop", True),
        ("3 tries", True),
        ("", False),
        ("", False),
    ]


def test_the_memory_of_each_tier_stands_below_and_no_data_is_unknown() -> None:
    declare()
    page = shown()
    assert "Memory of requests in flight: edge, each proxy" in page
    assert "max_over_time" in page
    assert "unknown" in page
