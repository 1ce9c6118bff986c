"""A real Chromium against a real server, over a real Prometheus with half an hour of traffic."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from access.domain.roles import Role
from tests.pages.traffic import Exporter, Traffic
from tests.support.people import person
from tests.support.prometheus import prometheus

# Playwright's synchronous interface keeps an event loop in this thread; the tests' own queries are meant.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
BROKEN_FOR = timedelta(minutes=4)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that knows the last half hour: shop-v2 has failed for four minutes."""
    now = datetime.now(UTC)
    traffic = Traffic(began=now - timedelta(hours=1), broken_since=now - BROKEN_FOR)
    exporter = Exporter(traffic)
    directory = tmp_path_factory.mktemp("prometheus")
    with prometheus(directory, targets=exporter.targets(), history=traffic.history(now)) as running:
        yield running.url
    exporter.close()


@dataclass
class Reader:
    """One person at a browser, who notes everything that the console complains about."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.address}{path}", wait_until="load")
        return self.page


@dataclass
class Desk:
    """Where people sit down."""

    browser: Browser
    server: LiveServer
    pictures: Path

    @contextmanager
    def reader(
        self, role: Role | None = Role.OWNER, *, width: int = 1280, dark: bool = False, script: bool = True
    ) -> Iterator[Reader]:
        """A person with a role, logged in, with a width of window, a look, and JavaScript or none."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        if role is not None:
            client = Client()
            client.force_login(person(role, name=f"{role.label}-{width}-{dark}-{script}"))
            cookie = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": cookie, "url": self.server.url}])
        reader = Reader(context.new_page(), self.server.url)
        reader.page.on("console", lambda message: _note(reader, message))
        reader.page.on("pageerror", lambda error: reader.complaints.append(str(error)))
        yield reader
        context.close()


def _note(reader: Reader, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        reader.complaints.append(f"{message.text} ({message.location.get('url', '')})")


@pytest.fixture
def desk(chromium: Browser, live_server: LiveServer, settings: object) -> Iterator[Desk]:
    cache.clear()
    pictures = Path(__file__).resolve().parents[2] / "var" / "screenshots"
    pictures.mkdir(parents=True, exist_ok=True)
    yield Desk(chromium, live_server, pictures)
    cache.clear()
