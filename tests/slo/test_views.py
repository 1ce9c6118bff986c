"""The pages of objectives without a browser."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from access.domain.roles import Role
from slo.models import Objective
from tests.pages import world
from tests.support.people import person

pytestmark = pytest.mark.django_db
NOBODY_LISTENS = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_prometheus(settings: Any) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    cache.clear()


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(person(Role.VIEWER))
    return client


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(page: str) -> int:
    return page.count('<th scope="row"')


def test_the_link_of_an_alert_leads_to_its_objective(reader: Client, now: datetime) -> None:
    world.routes(now, 12)

    page = text(reader, "/objectives/?tier=edge&sli=route_availability&route=r0003")

    assert rows(page) == 1
    assert "r0003-availability" in page
    assert "only route <code>r0003</code>" in page


def test_a_list_is_cut_to_a_page_and_leads_on_with_what_narrows_it(reader: Client, now: datetime) -> None:
    world.routes(now, 150)

    first = text(reader, "/objectives/?kind=route_availability&sort=name")
    second = text(reader, "/objectives/?kind=route_availability&sort=name&page=2")

    assert (rows(first), rows(second)) == (100, 50)
    assert "1 to 100 of 150, page 1 of 2" in first
    assert "?kind=route_availability&amp;sort=name&amp;page=2" in first
    assert "r0100-availability" in second


def test_a_live_update_keeps_what_was_asked_for(reader: Client, now: datetime) -> None:
    world.routes(now, 3)

    page = text(reader, "/objectives/live/?state=burning&sort=burn")

    assert 'hx-get="/objectives/live/?state=burning&amp;sort=burn"' in page
    assert 'aria-sort="descending"' in page
    assert "<html" not in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("?page=9", "Page 9 is past the end: there are 1."),
        ("?tier=nowhere", "No objective is like that."),
        ("?state=nonsense&sort=upside-down&page=-1", "5 declared"),
    ],
)
def test_an_address_that_somebody_wrote_by_hand_is_answered(
    asked: str, said: str, reader: Client, now: datetime
) -> None:
    world.routes(now, 3)

    assert said in text(reader, f"/objectives/{asked}")


def test_the_queries_of_the_list_do_not_grow_with_objectives(reader: Client, now: datetime) -> None:
    world.routes(now, 10)
    text(reader, "/objectives/")
    with CaptureQueriesContext(connection) as few:
        text(reader, "/objectives/")
    world.routes(now, 1000)
    with CaptureQueriesContext(connection) as many:
        page = text(reader, "/objectives/")

    assert Objective.objects.live().count() == 1002
    assert (rows(page), len(many)) == (100, len(few))
