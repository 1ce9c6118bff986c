"""A stream's inbox is bounded: by its client's requests, and by the changes that it is too slow for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.utils import timezone

from proxy import schema
from proxy.ads.inbox import MOST_BYTES, MOST_REQUESTS, Flooded, Inbox
from proxy.ads.server import converse
from proxy.ads.source import Source
from proxy.domain.translate import kinds
from proxy.selectors import Served
from tests.proxy.factories import tier


def request(kind: str = kinds.CLUSTER, **fields: Any) -> Any:
    message: Any = schema.bundled().message("envoy.service.discovery.v3.DiscoveryRequest")
    made = message(type_url=kind, **fields)
    made.node.cluster, made.node.id = "edge", "edge-1"
    return made


def generation(number: int, tmp_path: Path) -> Any:
    source = Source(tmp_path)
    source.render("edge", Served(number, tier(), (), tier()), timezone.now())
    return source.newest["edge", "edge-1"]


def test_of_many_snapshots_the_newest_waits(tmp_path: Path) -> None:
    inbox = Inbox()
    snapshots = [generation(number, tmp_path) for number in range(1, 4)]
    for each in snapshots:
        inbox.offer(each)
    inbox.end()
    assert asyncio.run(inbox.next()) is snapshots[-1]
    assert asyncio.run(inbox.next()) is None


def test_requests_come_in_their_order() -> None:
    inbox = Inbox()
    asked = [request(version_info=str(number)) for number in range(3)]
    for each in asked:
        inbox.ask(each)
    assert [asyncio.run(inbox.next()) for _ in asked] == asked


def test_too_many_requests_are_a_flood() -> None:
    inbox, one = Inbox(), request()
    for _ in range(MOST_REQUESTS):
        inbox.ask(one)
    with pytest.raises(Flooded):
        inbox.ask(one)


def test_a_few_huge_requests_are_a_flood() -> None:
    inbox, huge = Inbox(), request(resource_names=["x" * (MOST_BYTES // 4)])
    for _ in range(3):
        inbox.ask(huge)
    with pytest.raises(Flooded):
        inbox.ask(huge)


def test_what_was_answered_counts_no_more() -> None:
    inbox, huge = Inbox(), request(resource_names=["x" * (MOST_BYTES // 4)])
    for _ in range(12):
        inbox.ask(huge)
        asyncio.run(inbox.next())


@dataclass
class Deaf:
    """The context of a client that never reads an answer."""

    ended: list[Any] = field(default_factory=list)

    async def write(self, _: Any) -> None:
        await asyncio.Event().wait()

    def peer(self) -> str:
        return "a client"

    async def abort(self, code: Any, details: str) -> None:
        self.ended.append((code, details))


def test_a_client_that_floods_is_ended_though_it_reads_nothing(tmp_path: Path) -> None:
    source, context = Source(tmp_path), Deaf()
    source.render("edge", Served(1, tier(), (), tier()), timezone.now())
    response = schema.bundled().message("envoy.service.discovery.v3.DiscoveryResponse")
    asked = 0

    async def requests() -> AsyncIterator[Any]:
        nonlocal asked
        while True:
            asked += 1
            yield request()
            await asyncio.sleep(0)

    asyncio.run(converse(source, requests(), context, response, plaintext=True))
    ((code, _),) = context.ended
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert asked <= MOST_REQUESTS + 10
    assert list(source.reports.here) == []
