"""Reading proxies back, some of which do not answer."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.domain.actor import Actor
from proxy import selectors, services
from proxy.domain.errors import ProxyUnreachable
from proxy.memory import InMemoryAdmin
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATE = 0.5


class Hanging(InMemoryAdmin):
    """All proxies but one take their time, and then do not answer."""

    def splits(self, address: str) -> dict[str, dict[str, int]]:
        if address != "127.0.0.1:30019":
            time.sleep(LATE)
            raise ProxyUnreachable(f"{address} does not answer: ConnectTimeout")
        return {}

    def overrides(self, address: str) -> dict[str, str]:
        self.splits(address)
        return {}


def many(count: int) -> list[dict[str, Any]]:
    ports = ("http_port", "https_port", "admin_port")
    return [
        {
            "name": f"edge-{n:02}",
            **{port: place + n for port, place in zip(ports, (10000, 20000, 30000), strict=True)},
        }
        for n in range(count)
    ]


def test_proxies_that_do_not_answer_hold_up_nobody_and_say_why() -> None:
    """A worker is cut off after 20 s: one after the other, those after the first few would never be read."""
    services.apply(document=document(proxies=many(20)), by=Actor("ann", "cli"), reason="test", now=NOW)
    admin, began = Hanging(), time.monotonic()
    services.settle_drains(admin=admin, now=NOW)
    services.readback(admin=admin, now=NOW)
    assert time.monotonic() - began < 10 * LATE
    first, *_, last = selectors.tier("edge").proxies
    assert (first.read_at, first.trouble) == (None, "127.0.0.1:30000 does not answer: ConnectTimeout")
    assert (last.read_at, last.trouble) == (NOW, "")
