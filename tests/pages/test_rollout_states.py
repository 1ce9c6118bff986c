"""A rollout that bakes, is frozen, observes or is over, as a person sees it: wide, narrow, light and dark."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import proxy.services
from canary import services
from tests.canary.factories import ANN, World, state
from tests.pages.conftest import Desk
from tests.proxy.factories import document

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]
BAKED: dict[str, Any] = {"steps": [5000], "warm_up": 0, "bake": {"seconds": 600, "warm": 100}}
LOOKS = ((390, True), (1280, False))


def frozen(world: World) -> int:
    number = world.start(mode="observe")
    end = datetime.now(UTC) + timedelta(hours=3)
    sale = {"begins": "2026-01-01T00:00:00Z", "ends": end.isoformat(), "why": "the sale"}
    proxy.services.apply(document=document(freeze=[sale]), by=ANN, reason="the sale", now=world.now)
    world.fails["shop-v2"] = 0.3
    world.run(10)
    return number


def baking(world: World) -> int:
    world.per_second = 4000
    number = world.start(plan=BAKED)
    assert world.run(60, until=lambda: state(number) == "baking")
    world.run(5)
    return number


def promoted(world: World) -> int:
    number = baking(world)
    services.promote(rollout_id=number, by=ANN, reason="known good", now=world.now)
    assert world.run(8, until=lambda: state(number) == "promoted")
    return number


def retried(world: World) -> int:
    number = world.start()
    services.rollback(rollout_id=number, by=ANN, reason="too slow", now=world.now)
    assert world.run(5, until=lambda: state(number) == "rolled_back")
    return services.retry(rollout_id=number, by=ANN, reason="the cache is fixed", now=world.now)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (frozen, ["Nothing steps up now.", "(the sale)", "Mode observe."]),
        (baking, ["It bakes until", "The old arm keeps 1 %", "Promote now"]),
        (promoted, ["Undo the promotion"]),
        (retried, ["It tries again what rollout", "Skip to the next step"]),
    ],
)
def test_the_page_says_what_is_new_of_it_and_fits(desk: Desk, made: Any, says: list[str]) -> None:
    world = World()
    world.now = datetime.now(UTC) - timedelta(seconds=30)
    number = made(world)
    for width, dark in LOOKS:
        with desk.reader(width=width, dark=dark) as reader:
            page = reader.open(f"/rollouts/{number}/")
            shown = page.inner_text("main")
            assert [words for words in says if words not in shown] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert reader.complaints == []
            reader.picture(f"rollout-{made.__name__}-{width}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_every_split_is_shown_before_the_start_and_fits(desk: Desk, width: int, dark: bool) -> None:
    World()
    with desk.reader(width=width, dark=dark) as reader:
        page = reader.open("/rollouts/start/?route=shop&upstream=shop-v2")
        page.fill("[name=bake]", "5")
        page.fill("[name=reason]", "faster")
        page.click("text=Show the exact change")
        page.click("#every-step summary")
        assert "shop-v2 99 %" in page.inner_text("#every-step")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert reader.complaints == []
        reader.picture(f"rollout-rehearsed-{width}-{'dark' if dark else 'light'}")
