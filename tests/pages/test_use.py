"""Using the pages: by keyboard, without JavaScript, while they live, and when something is away."""

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

import alerts.services
from access.domain.roles import Role
from tests.pages import world
from tests.pages.conftest import Desk
from tests.support.people import BY, PASSWORD, person

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

NOBODY_LISTENS = "http://127.0.0.1:9"
IN_TIME_SECONDS = 4.0


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def test_a_person_logs_in_by_keyboard_and_skips_to_the_page(desk: Desk, settings: Any) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    person(Role.VIEWER, name="reader", password=PASSWORD)
    with desk.reader(role=None) as reader:
        page = reader.open("/")
        page.focus("[name=username]")
        page.keyboard.type("reader")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{reader.address}/")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

        assert page.evaluate("document.activeElement.id") == "main"
        assert reader.complaints == []


def test_a_wrong_password_says_so(desk: Desk) -> None:
    with desk.reader(role=None) as reader:
        page = reader.open("/login/")
        page.fill("[name=username]", "reader")
        page.fill("[name=password]", "wrong")
        page.click("main button")

        assert page.locator(".note-bad").inner_text().startswith("Please enter a correct username")


def test_without_javascript_a_rollout_is_started_and_rolled_back(
    desk: Desk, now: datetime, settings: Any
) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    world.tier(now)
    with desk.reader(script=False) as reader:
        page = reader.open("/rollouts/start/?route=shop&upstream=shop-v2")
        page.fill("[name=reason]", "no script here")
        page.click("text=Show the exact change")
        change = page.locator(".change").first.inner_text()
        page.click("button:text-is('Start')")
        page.click("summary:has-text('Roll back')")
        page.fill("#reason-roll_back", "changed my mind")
        page.click("#act-roll_back button")

        assert "shop-v2 5 %" in change
        assert page.locator(".title .state").inner_text() == "rolling back"


def test_without_javascript_a_chart_is_its_table(
    desk: Desk, now: datetime, measured: str, settings: Any
) -> None:
    settings.PROMETHEUS_URL = measured
    world.tier(now)
    with desk.reader(script=False) as reader:
        page = reader.open("/routes/shop/")
        page.click("#more-errors summary")

        assert page.locator("#plot-errors").is_hidden()
        assert page.locator("#more-errors tbody tr").count() > 20


def test_a_chart_that_is_kept_open_from_its_start_takes_back_that_nothing_was_measured(
    desk: Desk, now: datetime, settings: Any
) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    world.tier(now)
    number = world.rollout(now, ticks=0)
    with desk.reader() as reader:
        page = reader.open(f"/rollouts/{number}/")
        said = page.locator("#none-final").count()
        world.observe(number, now, ticks=20)
        page.locator("#plot-final.plot-drawn").wait_for()

        assert (said, page.locator("#none-final").count()) == (1, 0)
        assert reader.complaints == []


def test_a_page_changes_by_itself(desk: Desk, now: datetime) -> None:
    number = world.incident(now)
    with desk.reader() as reader:
        page = reader.open(f"/incidents/{number}/")
        before = page.locator(".title .state").first.inner_text()
        alerts.services.resolve(incident_id=number, by=BY, reason="over", now=now)
        page.wait_for_selector(".title .state:has-text('resolved')")

        assert before == "open"
        assert reader.complaints == []


def test_a_confirmation_stays_open_while_the_page_lives(desk: Desk, now: datetime) -> None:
    number = world.incident(now)
    with desk.reader() as reader:
        page = reader.open(f"/incidents/{number}/")
        page.click("summary:has-text('Acknowledge')")
        page.fill("#reason-acknowledge", "half a sent")
        page.wait_for_timeout(3500)  # longer than the fragment's cadence

        assert page.input_value("#reason-acknowledge") == "half a sent"


def test_a_rollout_is_paused_by_keyboard_alone_while_its_page_lives(
    desk: Desk, now: datetime, settings: Any
) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    world.tier(now)
    number = world.rollout(now)
    with desk.reader() as reader:
        page = reader.open(f"/rollouts/{number}/")
        page.focus("#act-pause summary")
        for _ in range(2):
            page.evaluate("document.getElementById('rollout-live').dataset.seen = ''")
            page.wait_for_selector("#rollout-live:not([data-seen])")
        kept = page.evaluate("document.activeElement.closest('details').id")
        page.keyboard.press("Tab")
        following = page.evaluate("document.activeElement.closest('details').id")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("by keyboard")
        page.keyboard.press("Enter")
        page.wait_for_selector(".title .state:has-text('paused')")

        assert (kept, following) == ("act-pause", "act-promote")
        assert reader.complaints == []


def test_a_role_that_is_taken_away_is_told_on_the_page(desk: Desk, now: datetime) -> None:
    number = world.incident(now)
    with desk.reader() as reader:
        page = reader.open(f"/incidents/{number}/")
        User.objects.get(username="reader-1").groups.clear()

        page.wait_for_selector("h1:has-text('This takes the role viewer')", timeout=10_000)


def test_a_server_that_is_gone_is_told(desk: Desk, now: datetime) -> None:
    number = world.incident(now)
    with desk.reader() as reader:
        page = reader.open(f"/incidents/{number}/")
        page.context.set_offline(True)

        page.wait_for_selector(".lost >> text=Sluice does not answer", state="visible", timeout=10_000)


@pytest.mark.parametrize("path", ["/", "/tiers/edge/", "/routes/shop/"])
def test_a_page_comes_at_once_when_prometheus_is_away(
    path: str, desk: Desk, now: datetime, settings: Any
) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    world.tier(now)
    with desk.reader() as reader:
        began = time.monotonic()
        page = reader.open(path)
        took = time.monotonic() - began

        assert took < IN_TIME_SECONDS
        assert page.get_by_text("Prometheus does not answer").first.is_visible()
        assert reader.complaints == []


def test_a_chosen_look_holds_on_the_next_page(desk: Desk, now: datetime) -> None:
    with desk.reader() as reader:
        page = reader.open("/incidents/")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click(".theme button:has-text('Dark')")
        reader.open("/audit/")

        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        assert page.locator(".theme button[aria-pressed=true]").inner_text() == "Dark"


def test_the_sentence_names_the_backend_that_fails(
    desk: Desk, now: datetime, measured: str, settings: Any
) -> None:
    settings.PROMETHEUS_URL = measured
    world.tier(now)
    world.rollout(now)
    with desk.reader() as reader:
        said = reader.open("/").locator(".sentence strong").inner_text()

    assert re.fullmatch(r"Backend shop-v2 fails 1\.\d+ % of requests to shop; the proxy fails none\.", said)
