"""A person's way through the loop, in a real browser: log in, start a rollout, watch it fail, read why."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.processes import wait_until
from tests.support.running import Running

pytestmark = [pytest.mark.stack, pytest.mark.real, pytest.mark.timeout(300)]

SHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"
SEES_MS = 60_000


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A page whose console stays empty: the strict content policy blocks nothing that the pages need."""
    said: list[str] = []
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert said == []


def shoot(page: Page, name: str, scheme: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{scheme}.png", full_page=True)


def log_in(page: Page, system: Running) -> None:
    page.goto(system.stack.place.url("SLUICE_WEB_PORT", "/"))
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill((system.stack.place.var / "admin-password").read_text().strip())
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/$"))


def test_a_person_starts_a_rollout_watches_it_fail_and_reads_why(
    page: Page, calm: Running, request: pytest.FixtureRequest
) -> None:
    scheme = str(request.node.callspec.params["page"])
    log_in(page, calm)

    page.get_by_role("link", name="Rollouts").click()
    page.get_by_role("link", name="Start a rollout").first.click()
    page.get_by_label("Route").select_option("shop")
    page.get_by_label("Upstream").select_option("shop-v2")
    page.get_by_role("textbox", name="Reason").fill("Version 2 of the shop")
    page.get_by_role("button", name="Show the exact change").click()
    expect(page.get_by_label("The exact change")).to_contain_text("shop-v2")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.get_by_role("heading", name="shop-v2 on shop")).to_be_visible()
    rollout = page.url
    number = int(re.findall(r"/rollouts/(\d+)", rollout)[0])
    wait_until(lambda: calm.counts("shop-v2-a")["total"], timeout=30, what="canary traffic")

    page.get_by_role("link", name="Lab").click()
    page.get_by_role("row", name=re.compile("shop-v2-a")).get_by_role("button", name="30 % errors").click()
    page.goto(rollout)
    expect(page.get_by_text("rolled back", exact=True).first).to_be_visible(timeout=SEES_MS)
    page.goto(rollout)
    expect(page.get_by_text(re.compile(r"shop-v2 fails .+ of first attempts")).first).to_be_visible()
    shoot(page, "rollout", scheme)

    page.get_by_role("link", name=re.compile(r"^Incident \d+$")).click()
    shoot(page, "incident", scheme)
    page.get_by_role("link", name="Overview").click()
    shoot(page, "overview", scheme)
    assert calm.rollout(number)["state"] == "rolled_back"
