"""The pages of incidents and of the dead man's switch in a real browser: wide and narrow, light and dark."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts import alertmanager, services
from alerts.domain.alertmanager import Notification
from alerts.memory import InMemoryChat
from tests.alerts.factories import ANN, brownout, declare, sender, storm
from tests.alerts.test_alertmanager import alert, body
from tests.pages import world
from tests.pages.conftest import Desk

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

FILE = """
receivers:
  second: {slack: "#on-call"}
  desk: {webhook: "http://127.0.0.1:1/sluice", secret: desk}
  pager: {pagerduty: pager}
notify: [{to: desk, of: [page, ticket]}]
escalation: [{after: 5m, to: second}, {after: 15m, to: pager}]
"""


@pytest.fixture
def paths(settings: Any, tmp_path: Path) -> dict[str, str]:
    """A brownout that explains three storms and was not acknowledged in time, a silence, one from outside."""
    declare(settings, tmp_path, FILE)
    now = datetime.now(UTC)
    began = now - timedelta(minutes=7)
    world.tier(now)
    world.heartbeats(now)
    parent = brownout(now=began, numbers={"failing": "88 %", "ejected": "1 of 2 endpoints"})
    for route in ("shop", "payments", "greeter"):
        storm(route, through=("shop-v1",), now=began + timedelta(seconds=20))
    services.deliver(chat=InMemoryChat(), now=began + timedelta(seconds=1))
    services.watch(now=began + timedelta(minutes=5))
    services.dispatch(post=sender(timeout=0.2), now=began + timedelta(minutes=5))
    quiet = storm("orders", through=("orders-v1",), now=began)
    until = now + timedelta(hours=4)
    services.silence(incident_id=quiet, until=until, by=ANN, reason="load test until noon", now=now)
    outside = Notification.model_validate(body(alert(began=began)))
    alertmanager.receive(notification=outside, by=ANN, now=now)
    return {
        "incidents-list": "/incidents/",
        "incident-called": f"/incidents/{parent}/",
        "incident-silenced": f"/incidents/{quiet}/",
        "automation-dead": "/automation/",
    }


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)], ids=str)
def test_incidents_are_read_without_a_complaint_at_any_width(
    desk: Desk, paths: dict[str, str], width: int, dark: bool
) -> None:
    with desk.reader(width=width, dark=dark) as reader:
        for name, path in paths.items():
            page = reader.open(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            reader.picture(f"{name}-{width}-{'dark' if dark else 'light'}")
        assert reader.complaints == []


def test_a_person_acknowledges_and_nobody_else_is_called(desk: Desk, paths: dict[str, str]) -> None:
    with desk.reader() as reader:
        page = reader.open(paths["incident-called"])
        assert "pager" in page.locator("section", has_text="Who is called next").inner_text()
        page.get_by_text("Acknowledge…").click()
        page.locator("#reason-acknowledge").fill("I have it")
        page.get_by_role("button", name="Acknowledge", exact=True).click()
        page.get_by_text("acked: I have it").wait_for()
        assert "has it." in page.locator("section", has_text="Who is called next").inner_text()
        reader.picture("incident-acknowledged")
    services.watch(now=datetime.now(UTC) + timedelta(hours=1))


def test_a_person_on_a_phone_silences_until_a_moment_and_ends_it(desk: Desk, paths: dict[str, str]) -> None:
    until = datetime.now(UTC) + timedelta(hours=30)
    with desk.reader(width=390, dark=True) as reader:
        page = reader.open(paths["incident-called"])
        page.get_by_text("Silence…").click()
        page.locator("#until-silence").fill(f"{until:%Y-%m-%dT%H:%M}")
        page.locator("#reason-silence").fill("known")
        reader.picture("incident-silencing-390-dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Silence", exact=True).click()
        page.get_by_text(f"silenced until {until:%Y-%m-%d %H:%M} UTC: known").wait_for()
        page.get_by_text("End the silence…").click()
        page.locator("[id^=reason-unsilence]").fill("enough")
        page.get_by_role("button", name="End the silence", exact=True).click()
        page.get_by_text("Silence…").wait_for()
        assert reader.complaints == []


def test_the_list_is_narrowed_as_one_types(desk: Desk, paths: dict[str, str]) -> None:
    with desk.reader() as reader:
        page = reader.open(paths["incidents-list"])
        page.locator("#id_text").fill("orders")
        page.get_by_text("1 of these").wait_for()
        assert "text=orders" in page.url
