"""What many proxies say at once, on its way into the database."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.domain.actor import Actor
from proxy import selectors, services
from proxy.ads.database import Database
from proxy.ads.reports import Reports
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MANY = 200
T = TypeVar("T")


class Here(Database):
    """Works in the test's own thread, whose transaction holds the rows."""

    async def do(self, work: Callable[[], T], what: str) -> T:
        return work()


def flush(reports: Reports) -> None:
    """Without an event loop, under which this thread would have another connection."""
    with pytest.raises(StopIteration):
        reports.flush().send(None)


@pytest.fixture
def reports() -> Reports:
    proxies = [
        {"name": f"edge-{n}", "http_port": 10000 + n, "https_port": 11000 + n, "admin_port": 12000 + n}
        for n in range(MANY)
    ]
    services.apply(
        document=document(proxies=proxies), by=Actor("ann", "cli"), reason="", now=NOW, gate=lambda _: []
    )
    return Reports(Here())


def names() -> list[tuple[str, str]]:
    return [("edge", f"edge-{n}") for n in range(MANY)]


def test_what_many_proxies_acknowledge_is_recorded_by_a_few_queries(reports: Reports) -> None:
    for key in names():
        reports.connected(key, NOW)
        reports.acked_weights(key, 1, NOW)
        reports.acked(key, 1, NOW)
    with CaptureQueriesContext(connection) as asked:
        flush(reports)
    assert len(asked) < 10
    assert selectors.progress("edge", 1).complete
    assert all(proxy.connected for proxy in selectors.tier("edge").proxies)


def test_of_a_proxy_that_came_and_went_and_came_the_last_is_recorded(reports: Reports) -> None:
    for key in names()[:2]:
        reports.connected(key, NOW)
        reports.disconnected(key, NOW)
    reports.connected(("edge", "edge-1"), NOW)
    flush(reports)
    there = {proxy.name for proxy in selectors.tier("edge").proxies if proxy.connected}
    assert there == {"edge-1"}


def test_a_declaration_of_many_is_mirrored_by_a_few_queries(reports: Reports) -> None:
    many = [
        {"name": f"r{n}", "hosts": ["shop.test"], "prefix": f"/{n}", "upstream": "payments"}
        for n in range(MANY)
    ]
    with CaptureQueriesContext(connection) as asked:
        services.apply(
            document=document(routes=many), by=Actor("ann", "cli"), reason="", now=NOW, gate=lambda _: []
        )
    assert len(asked) < 60
    assert len(selectors.routes("edge")) == MANY
