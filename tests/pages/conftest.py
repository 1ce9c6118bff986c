"""A real Chromium against a real server, over a real Prometheus with half an hour of traffic."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from access.domain.roles import Role
from tests.pages.traffic import Exporter, Traffic
from tests.support.browser import Reader, reading
from tests.support.people import person
from tests.support.prometheus import prometheus

BROKEN_FOR = timedelta(minutes=4)


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that knows the last half hour: shop-v2 has failed for four minutes."""
    now = datetime.now(UTC)
    traffic = Traffic(began=now - timedelta(hours=1), broken_since=now - BROKEN_FOR)
    exporter = Exporter(traffic)
    directory = tmp_path_factory.mktemp("prometheus")
    history = traffic.history(now, instance=exporter.address)
    with prometheus(directory, targets=exporter.targets(), history=history) as running:
        yield running.url
    exporter.close()


@dataclass
class Desk:
    """Where people sit down."""

    browser: Browser
    server: LiveServer
    seats: "count[int]"

    @contextmanager
    def reader(
        self, role: Role | None = Role.OWNER, *, width: int = 1280, dark: bool = False, script: bool = True
    ) -> Iterator[Reader]:
        """A person with a role, logged in; without a role, nobody is."""
        session = ""
        if role is not None:
            client = Client()
            client.force_login(person(role, name=f"reader-{next(self.seats)}"))
            session = client.cookies["sessionid"].value
        with reading(
            self.browser, self.server.url, session=session, width=width, dark=dark, script=script
        ) as reader:
            yield reader


@pytest.fixture
def desk(chromium: Browser, live_server: LiveServer) -> Iterator[Desk]:
    cache.clear()
    yield Desk(chromium, live_server, count(1))
    cache.clear()
