"""Slow requests to a route that waits longer than its tier, and to one beside it that does not."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.drills.attackers import attack, dripping
from tests.proxy.asking import serve
from tests.proxy.clients import backend
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

SLACK = 2.0
"""As of the other slow clients."""


@pytest.fixture(scope="module")
def own_port() -> Iterator[int]:
    with backend() as port:
        yield port


def declare(world: World, own_port: int, **uploads: Any) -> None:
    """u.test for uploads with these fields, beside it p.test; the tier's own time is a second."""
    routes = [
        {"name": "uploads", "hosts": ["u.test"], "upstream": "own", "timeout": "1s", **uploads},
        {"name": "plain", "hosts": ["p.test"], "upstream": "own", "timeout": "1s"},
    ]
    upstreams = [{"name": "own", "endpoints": [{"port": own_port}]}]
    serve(world, upstreams=upstreams, routes=routes, limits={"request_timeout": "1s"})


def drip(world: World, host: str, count: int) -> list[tuple[float, bytes]]:
    """Requests whose bodies of 25 bytes take two and a half seconds, with when they ended and how."""
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\ncontent-length: 25\r\n\r\n"
    ended = attack(world.ports["EDGE_1_HTTP_PORT"], count, dripping(head.encode(), b"a"))
    return [(seconds, read[9:12]) for seconds, read in ended]


def test_a_route_waits_longer_for_its_requests_than_its_tier(world: World, own_port: int) -> None:
    declare(world, own_port)
    assert {code for _, code in drip(world, "u.test", 5)} == {b"408"}
    declare(world, own_port, request_timeout="8s")
    assert {code for _, code in drip(world, "u.test", 5)} == {b"200"}


def test_the_routes_beside_it_wait_no_longer_and_tell_a_slow_client(world: World, own_port: int) -> None:
    """Within their own `timeout` besides, and not the eight seconds of the other."""
    declare(world, own_port, request_timeout="8s")
    labels = {"route": "plain", "code": "408", "reason": "slow_client"}
    before = world.metric("envoy_sluice_rq", **labels)
    ended = drip(world, "p.test", 20)
    assert {code for _, code in ended} == {b"408"}
    assert max(seconds for seconds, _ in ended) < 1 + 1 + SLACK
    counted = lambda: world.metric("envoy_sluice_rq", **labels) == before + 20  # noqa: E731
    wait_until(counted, timeout=5, what="slow clients")
