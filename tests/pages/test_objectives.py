"""Finding one objective among many: as one types, by the address, and without a script."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.pages import world
from tests.pages.conftest import Desk

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _many(settings: Any) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    world.routes(datetime.now(UTC), 130)


def test_the_list_narrows_while_one_types_and_the_address_keeps_it(desk: Desk) -> None:
    with desk.reader() as reader:
        page = reader.open("/objectives/")
        page.fill("#id_text", "r0007")
        page.wait_for_selector("#objectives-live h2:text-is('1 of these')")
        kept = page.url
        again = reader.open(kept.removeprefix(reader.address))

        assert "text=r0007" in kept
        assert again.locator("#objectives-live tbody tr").count() == 1
        assert again.input_value("#id_text") == "r0007"
        assert reader.complaints == []


def test_a_live_update_keeps_page_and_order(desk: Desk) -> None:
    with desk.reader() as reader:
        page = reader.open("/objectives/?sort=name&page=2")
        first = page.locator("#objectives-live tbody th a").first.inner_text()
        page.evaluate("document.getElementById('objectives-live').dataset.seen = ''")
        page.evaluate(
            "htmx.ajax('GET', document.getElementById('objectives-live').getAttribute('hx-get'),"
            " {target: '#objectives-live', swap: 'outerHTML'})"
        )
        page.wait_for_selector("#objectives-live:not([data-seen])")

        assert page.locator("#objectives-live tbody th a").first.inner_text() == first
        assert page.locator("#objectives-live tbody tr").count() == 32


def test_without_a_script_the_list_is_narrowed_and_leads_on(desk: Desk) -> None:
    with desk.reader(script=False) as reader:
        page = reader.open("/objectives/")
        page.select_option("#id_sort", "name")
        page.select_option("#id_kind", "route_availability")
        page.click("button:text-is('Narrow')")
        page.click("a[rel=next]")

        assert page.locator("#objectives-live tbody tr").count() == 30
        assert page.locator("#objectives-live tbody th a").last.inner_text() == "r0129-availability"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_full_page_of_objectives_fits(width: int, desk: Desk) -> None:
    with desk.reader(width=width, dark=width == 1280) as reader:
        page = reader.open("/objectives/?sort=burn")
        reader.picture(f"objectives-many-{width}")

        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert reader.complaints == []
