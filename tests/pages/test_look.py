"""Every page in a real browser: no complaint under the strict policy, light and dark, wide and narrow."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.pages import world
from tests.pages.conftest import Desk

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]

PAGES = {
    "overview": "/",
    "tier": "/tiers/edge/",
    "routes": "/routes/",
    "route": "/routes/shop/",
    "rollouts": "/rollouts/",
    "rollout": "/rollouts/{rollout}/",
    "rollout-start": "/rollouts/start/?route=shop&upstream=shop-v2",
    "runs": "/runs/",
    "run": "/runs/{run}/",
    "runbook": "/runbooks/canary-rolled-back/?incident={incident}",
    "incidents": "/incidents/",
    "incident": "/incidents/{incident}/",
    "objectives": "/objectives/",
    "audit": "/audit/",
    "lab": "/lab/",
    "account": "/account/",
}
LOOKS = {"wide-light": (1280, False), "wide-dark": (1280, True), "narrow-light": (390, False)}


@pytest.fixture
def filled() -> dict[str, Any]:
    now = datetime.now(UTC)
    world.tier(now)
    world.heartbeats(now)
    world.budgets(now)
    incident = world.incident(now)
    return {"incident": incident, "run": world.run(now, incident), "rollout": world.rollout(now)}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_draws_without_a_complaint(
    name: str, look: str, desk: Desk, filled: dict[str, Any], measured: str, settings: Any
) -> None:
    settings.PROMETHEUS_URL = measured
    width, dark = LOOKS[look]
    with desk.reader(width=width, dark=dark) as reader:
        page = reader.open(PAGES[name].format(**filled))
        page.wait_for_timeout(300)
        page.screenshot(path=desk.pictures / f"{name}-{look}.png", full_page=True)

        assert page.title() != ""
        assert reader.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
