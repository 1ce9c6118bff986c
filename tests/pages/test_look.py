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
    "revisions": "/tiers/edge/revisions/",
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
    "objective": "/objectives/{objective}/",
    "audit": "/audit/",
    "lab": "/lab/",
    "account": "/account/",
}
WITH_CHARTS = {"tier": 2, "route": 2, "rollout": 2}
LOOKS = {"wide-light": (1280, False), "wide-dark": (1280, True), "narrow-light": (390, False)}


@pytest.fixture
def filled() -> dict[str, Any]:
    now = datetime.now(UTC)
    world.tier(now)
    world.heartbeats(now)
    objective = world.budgets(now)
    incident = world.incident(now)
    return {
        "incident": incident,
        "run": world.run(now, incident),
        "rollout": world.rollout(now),
        "objective": objective,
    }


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_draws_without_a_complaint_and_fits(
    look: str, desk: Desk, filled: dict[str, Any], measured: str, settings: Any
) -> None:
    settings.PROMETHEUS_URL = measured
    width, dark = LOOKS[look]
    seen = {}
    with desk.reader(width=width, dark=dark) as reader:
        for name, address in PAGES.items():
            page = reader.open(address.format(**filled))
            for number in range(WITH_CHARTS.get(name, 0)):
                page.locator(".plot-drawn").nth(number).wait_for()
            reader.picture(f"{name}-{look}")
            fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            seen[name] = (page.locator("h1").count(), fits, reader.complaints[:])

    assert seen == dict.fromkeys(PAGES, (1, True, []))
