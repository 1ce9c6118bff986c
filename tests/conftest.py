"""What tests of more than one app share."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

# Playwright's synchronous interface keeps an event loop in this thread; the tests' own queries are meant.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

REAL = "real parts"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The real parts' tests first; with several processes, all of them in one and the other files beside them.

    They are most of the time, and of what they measure some would suffer from another of them at once.
    """
    items.sort(key=lambda item: not _is_real(item))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(REAL if _is_real(item) else str(item.path)))


def _is_real(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("real", "stack"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One real browser for the tests of a file.

    No longer than that: while Playwright runs, its event loop does too, and no other test can run one.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()
