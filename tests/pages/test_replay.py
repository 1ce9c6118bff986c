"""Why a rollout was rolled back, as a person sees it: evidence, dispersion, and all of it judged again."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.canary.factories import World, state
from tests.pages.conftest import Desk

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]


def test_the_reasons_of_a_rollback_and_its_replay_fit_every_screen(desk: Desk) -> None:
    world = World(per_second=400)
    world.now = datetime.now(UTC) - timedelta(seconds=90)
    number = world.start(plan={"steps": [2000], "warm_up": 0, "negligible": None})
    world.run(30)
    world.fails["shop-v2"] = 0.05
    assert world.run(40, until=lambda: state(number) == "rolled_back")
    for width, dark in ((390, False), (390, True), (1280, False), (1280, True)):
        with desk.reader(width=width, dark=dark) as reader:
            page = reader.open(f"/rollouts/{number}/")
            shown = page.inner_text("main")
            assert "shop-v2 was worse than what it replaces, so it serves nobody any more." in shown
            assert "at most 1 % of rollouts" in shown
            assert page.locator("#plot-dispersion svg").count()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            look = f"{width}-{'dark' if dark else 'light'}"
            reader.picture(f"rollout-why-{look}")
            page = reader.open(f"/rollouts/{number}/replay/")
            assert "each came to the same verdict" in page.inner_text("main")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert reader.complaints == []
            reader.picture(f"rollout-replay-{look}")
