"""The ADS server's clock, apart from any database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, OperationalError
from django.utils import timezone

from proxy import schema, services
from proxy.ads.server import converse
from proxy.ads.snapshot import Snapshot
from proxy.ads.source import Source
from proxy.domain.patches import apply_patches
from proxy.domain.translate import kinds
from proxy.selectors import OverlayRow, Pulse, Served
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


def failing(error: Exception, log: list[str]) -> Callable[[], object]:
    def write() -> None:
        log.append("failed")
        raise error

    return write


async def flushed(source: Source, times: int) -> None:
    for _ in range(times):
        await source.reports.flush()


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


def test_a_certificate_is_renewed_in_time_and_pushed_alone(tmp_path: Path) -> None:
    source, seen, now = Source(tmp_path), list[Snapshot](), timezone.now()
    source.listen(("edge", "edge-1"), seen.append)
    source.render("edge", Served(7, tier(), (), tier()), now)
    source.look_at_files(now + timedelta(days=59))
    source.look_at_files(now + timedelta(days=61))
    before, after = seen
    assert before.generation == after.generation
    assert {kind for kind in before.kinds if before.kinds[kind] != after.kinds[kind]} == {kinds.SECRET}


def test_what_cannot_be_served_leaves_the_last_good_snapshot(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.render("edge", Served(1, tier(), (), tier()), timezone.now())
    broken = tier().model_copy(update={"upstreams": ()})
    source.render("edge", Served(2, broken, (), broken), timezone.now())
    assert source.newest["edge", "edge-1"].generation == 1


def test_a_proxy_that_is_no_longer_declared_gets_nothing_when_it_comes_back(tmp_path: Path) -> None:
    """It may be the thief of its key; what it would get is the tier's."""
    source, both, gone = Source(tmp_path), tier(), ("edge", "edge-2")
    fewer = both.model_copy(update={"proxies": both.proxies[:1]})
    source.render("edge", Served(1, both, (), both), timezone.now())
    assert source.at_a_start(gone) is not None
    source.render("edge", Served(2, fewer, (), fewer), timezone.now())
    assert source.at_a_start(gone) is None
    assert source.at_a_start(("edge", "edge-1")) is not None


def test_what_could_not_be_served_for_a_full_disk_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    folder.write_text("a file where the folder should be")
    source, now = Source(folder), timezone.now()
    source.render("edge", served(timedelta(minutes=1)), now)
    pulse = Pulse("edge", 7, now + timedelta(minutes=1))
    assert not source.newest
    assert not source.is_due(pulse, now)
    folder.unlink()
    assert source.is_due(pulse, now + timedelta(seconds=2))
    source.render("edge", served(timedelta(minutes=1)), now)
    assert source.newest["edge", "edge-1"].generation == 7


def test_an_overlay_goes_on_time_though_a_later_generation_cannot_be_served(tmp_path: Path) -> None:
    source, seen = Source(tmp_path), list[Snapshot]()
    source.listen(("edge", "edge-1"), seen.append)
    source.render("edge", served(timedelta(seconds=0.2)), timezone.now())
    broken = tier().model_copy(update={"upstreams": ()})
    source.render("edge", Served(8, broken, (), broken), timezone.now())
    asyncio.run(keep_time(source, 0.5))
    with_canary, without = seen
    assert (with_canary.generation, without.generation) == (7, 7)
    assert with_canary.kinds[kinds.RUNTIME].version != without.kinds[kinds.RUNTIME].version


def test_a_write_that_fails_for_good_does_not_hold_up_the_others(tmp_path: Path) -> None:
    source, log = Source(tmp_path), list[str]()
    source.reports.later("refusal", ("edge", "edge-1"), failing(DataError("a NUL in a text"), log))
    source.reports.later("ack", ("edge", "edge-1"), lambda: log.append("acknowledged"))
    asyncio.run(flushed(source, 6))
    assert log == [*["failed"] * 5, "acknowledged"]


def test_a_write_waits_for_a_database_that_is_away_and_the_newest_of_its_sort_is_kept(tmp_path: Path) -> None:
    source, log = Source(tmp_path), list[str]()
    source.reports.later("ack", ("edge", "edge-1"), failing(OperationalError("connection refused"), log))
    asyncio.run(flushed(source, 6))
    assert log == ["failed"] * 6
    source.reports.later("ack", ("edge", "edge-1"), lambda: log.append("acknowledged"))
    asyncio.run(flushed(source, 2))
    assert log[6:] == ["acknowledged"]


async def broken_while_it_waits(source: Source) -> None:
    """A proxy that goes before the database was read for it."""
    request = schema.bundled().message("envoy.service.discovery.v3.DiscoveryRequest")
    first: Any = request(type_url=kinds.CLUSTER)
    first.node.cluster, first.node.id = "edge", "edge-1"

    async def requests() -> AsyncIterator[Any]:
        yield first

    stream = asyncio.create_task(converse(source, requests(), None, request, plaintext=True))
    while not source.reports.here:
        await asyncio.sleep(0)
    stream.cancel()
    with suppress(asyncio.CancelledError):
        await stream


def test_a_stream_that_breaks_before_its_first_answer_is_no_connection(tmp_path: Path) -> None:
    source = Source(tmp_path)
    asyncio.run(broken_while_it_waits(source))
    assert list(source.reports.here) == []


def test_a_stop_in_the_middle_of_a_write_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("record_start", "record_silence"):
        monkeypatch.setattr(services, other, lambda **_: None)
    source, log = Source(tmp_path), list[str]()
    errors = [OperationalError("database is locked")]

    def write() -> None:
        if errors:
            log.append("failed")
            raise errors.pop()
        log.append("written")

    async def stopped() -> None:
        source.reports.later("disconnection", "edge", write)
        following = asyncio.create_task(source.run())
        while not log:
            await asyncio.sleep(0)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await source.reports.finish()

    asyncio.run(stopped())
    assert log == ["failed", "written"]
