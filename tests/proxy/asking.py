"""Many requests at once through a proxy, each with what came of it; and short ways to declare what is asked."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h11

from lab.http import Connection
from tests.proxy.world import World


@dataclass(frozen=True)
class Asked:
    """One request: the status (0: no answer), how long it took in seconds, and who answered."""

    status: int
    seconds: float
    backend: str = ""


def endpoints(world: World, *backends: str) -> list[dict[str, Any]]:
    """The lab's backends of these names as endpoints of an upstream."""
    variables = {name: f"LAB_{name.upper().replace('-', '_')}_PORT" for name in backends}
    return [{"name": name, "port": world.ports[variable]} for name, variable in variables.items()]


def serve(
    world: World, *, upstreams: Iterable[Mapping[str, Any]], routes: Iterable[Mapping[str, Any]], **more: Any
) -> int:
    """Declares these upstreams and routes alone and waits until both proxies have them."""
    change = {"upstreams": list(upstreams), "routes": list(routes), "objectives": [], "runbooks": {}, **more}
    generation = world.apply(change)
    world.wait_acked(generation)
    return generation


def total(world: World, *backends: str, which: str = "total") -> int:
    """How many requests have reached these backends."""
    return sum(world.counts(backend)[which] for backend in backends)


def ask(
    world: World,
    host: str,
    count: int,
    *,
    at_once: int = 1,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    pace: float = 0.0,
) -> list[Asked]:
    """So many requests over `at_once` kept connections, each at least `pace` seconds after the one before."""
    sent = {"host": host, **(headers or {})}
    port = world.ports["EDGE_1_HTTP_PORT"]
    shares = [count // at_once + (place < count % at_once) for place in range(at_once)]
    return asyncio.run(_ask(port, method, sent, shares, pace))


async def _ask(
    port: int, method: str, headers: Mapping[str, str], shares: Sequence[int], pace: float
) -> list[Asked]:
    found = await asyncio.gather(*(_one_by_one(port, method, headers, share, pace) for share in shares))
    return [asked for share in found for asked in share]


async def _one_by_one(
    port: int, method: str, headers: Mapping[str, str], count: int, pace: float
) -> list[Asked]:
    connection: Connection | None = None
    found = []
    for _ in range(count):
        began = time.monotonic()
        if connection is None or not connection.reusable:
            connection = await Connection.open("127.0.0.1", port)
        found.append(await _once(connection, method, headers, began))
        await asyncio.sleep(max(0.0, began + pace - time.monotonic()))
    if connection is not None:
        connection.close()
    return found


async def _once(connection: Connection, method: str, headers: Mapping[str, str], began: float) -> Asked:
    with contextlib.suppress(OSError, h11.ProtocolError):
        answer = await connection.request(method, "/", headers)
        return Asked(answer.status, time.monotonic() - began, answer.headers.get("x-lab-backend", ""))
    return Asked(0, time.monotonic() - began)
