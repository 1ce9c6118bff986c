"""What a page costs does not grow with routes: neither queries of the database nor of Prometheus."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from access.domain.roles import Role
from tests.pages import world
from tests.support.answering import Answering, answering
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def prometheus(settings: Any) -> Iterator[Answering]:
    with answering(routes=10) as server:
        settings.PROMETHEUS_URL = server.url
        yield server
    cache.clear()


def cost(client: Client, path: str, prometheus: Answering) -> tuple[int, int]:
    """Queries of SQL and of PromQL, once a revision's document was read."""
    client.get(path)
    cache.clear()
    prometheus.asked.clear()
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen), len(prometheus.asked)


@pytest.mark.parametrize(
    "path", ["/", "/live/", "/objectives/", "/objectives/live/", "/tiers/edge/", "/routes/"]
)
def test_a_thousand_routes_take_the_queries_of_ten(path: str, client: Client, prometheus: Answering) -> None:
    client.force_login(person(Role.OWNER))
    world.routes(datetime.now(UTC), 10)
    few = cost(client, path, prometheus)
    world.routes(datetime.now(UTC), 1000)
    prometheus.routes = 1000

    assert cost(client, path, prometheus) == few


def test_the_overview_asks_of_routes_only_for_the_worst(client: Client, prometheus: Answering) -> None:
    client.force_login(person(Role.OWNER))
    world.routes(datetime.now(UTC), 3)

    cost(client, "/", prometheus)

    by_route = [promql for promql in prometheus.asked if "by (route" in promql]
    assert by_route
    assert all(promql.startswith("topk(") for promql in by_route)


def test_the_overview_shows_a_few_objectives_and_counts_the_rest(
    client: Client, prometheus: Answering
) -> None:
    client.force_login(person(Role.OWNER))
    world.routes(datetime.now(UTC), 40)

    page = client.get("/").content.decode()

    assert page.count("Budget: ") == 3
    assert '?tier=edge">42 objectives</a>' in page
    assert "?tier=edge&amp;state=burning" in page


def test_a_thousand_routes_are_pages_of_a_hundred(client: Client, prometheus: Answering) -> None:
    client.force_login(person(Role.OWNER))
    world.routes(datetime.now(UTC), 1000)
    pages = [client.get(f"/routes/?text=r+.test&page={page}").content.decode() for page in (1, 10, 11)]

    assert [page.count('scope="row"') for page in pages] == [100, 100, 0]
    assert "1 to 100 of 1,000, page 1 of 10" in pages[0]
    assert 'rel="next" href="/routes/?text=r+.test&amp;page=2"' in pages[0]
    assert 'rel="next"' not in pages[1]
    assert "Page 11 is past the end" in pages[2]


def test_routes_are_narrowed_and_the_live_part_stays_so(client: Client, prometheus: Answering) -> None:
    client.force_login(person(Role.OWNER))
    world.routes(datetime.now(UTC), 30)

    found = client.get("/routes/?text=R0007&tier=edge").content.decode()
    nothing = client.get("/routes/?tier=nowhere").content.decode()

    assert found.count('scope="row"') == 1
    assert 'hx-get="/routes/live/?text=R0007&amp;tier=edge"' in found
    assert "No route is like that" in nothing
    assert '<option value="nowhere" selected>' in nothing
