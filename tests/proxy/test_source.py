"""The ADS server's clock, apart from any database."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from proxy.ads.snapshot import Snapshot
from proxy.ads.source import Source
from proxy.domain.patches import apply_patches
from proxy.domain.translate import kinds
from proxy.selectors import OverlayRow, Served
from tests.proxy.factories import tier, weights


def served(lasts: timedelta) -> Served:
    """Generation 7 with shop-v2 at 5 % for so long."""
    now, base, patch = timezone.now(), tier(), weights(500)
    overlay = OverlayRow(
        tier="edge",
        target="route/shop/weights",
        owner="rollout/1",
        patch=patch,
        fence=1,
        generation=7,
        reason="",
        created_at=now,
        expires_at=now + lasts,
    )
    return Served(7, base, (overlay,), apply_patches(base, [patch]))


async def keep_time(source: Source, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(source.keep_time(), seconds)


def test_an_overlay_goes_on_time_though_no_database_answers(tmp_path: Path) -> None:
    source, seen = Source(tmp_path), list[Snapshot]()
    source.listen(("edge", "edge-1"), seen.append)
    source.render("edge", served(timedelta(seconds=0.2)), timezone.now())
    asyncio.run(keep_time(source, 0.5))
    with_canary, without = seen
    assert b"split.shop.shop-v2" in with_canary.kinds[kinds.RUNTIME].named["sluice"]
    assert with_canary.kinds[kinds.RUNTIME].version != without.kinds[kinds.RUNTIME].version
    fresh = Source(tmp_path)
    fresh.render("edge", Served(7, tier(), (), tier()), timezone.now())
    assert without == fresh.newest["edge", "edge-1"]


def test_what_cannot_be_served_leaves_the_last_good_snapshot(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.render("edge", Served(1, tier(), (), tier()), timezone.now())
    broken = tier().model_copy(update={"upstreams": ()})
    source.render("edge", Served(2, broken, (), broken), timezone.now())
    assert source.newest["edge", "edge-1"].generation == 1
