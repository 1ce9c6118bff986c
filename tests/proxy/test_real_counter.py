"""The connection counter beside real Envoys: a cap for each client address, which Envoy has not."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.proxy.clients import answers, connected, holding, named
from tests.proxy.world import World
from tests.support.processes import end, free_port, listening, wait_until

pytestmark = pytest.mark.real

CAP = 5


@pytest.fixture
def port(world: World) -> int:
    """The port of a proxy whose clients' connections are to be counted."""
    return world.ports["EDGE_2_HTTP_PORT"]


@contextlib.contextmanager
def counting(
    world: World, *more: str, cap: int = CAP, before: bytes = b"", **tier: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A counter, and then a tier that asks it: Envoy would back off from one that is not there yet."""
    at = free_port()
    argv = ("connections", "--bind", f"127.0.0.1:{at}", *more)
    with world.manage(*argv, log="counter.log", ready=lambda: listening(at)) as process:
        declared = {
            "limits": {"max_connections_per_address": cap},
            "protection": {"connection_counter": {"port": at}},
        }
        world.wait_acked(world.apply({**declared, **tier}))
        asked = counted(world)
        wait_until(lambda: probe(world, before) > asked, timeout=10, what="the counter is asked")
        yield process


def probe(world: World, before: bytes) -> float:
    """How many connections were counted after one more, which ends at once."""
    with connected(world.ports["EDGE_2_HTTP_PORT"], "127.0.0.9") as client:
        answers(client, "shop.test", before=before)
    return counted(world)


def counted(world: World) -> float:
    return world.metric("envoy_ext_authz_sluice_connections_ok", proxy="EDGE_2")


def test_an_address_holds_so_many_connections_and_another_does_not_feel_it(world: World, port: int) -> None:
    with counting(world), contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(port)) for _ in range(12)]
        assert sorted(answers(client, "shop.test") for client in held) == [False] * 7 + [True] * 5
        assert holding(port, CAP, "shop.test", source="127.0.0.2") == [True] * CAP


def test_behind_a_balancer_those_are_counted_whom_it_names(world: World, port: int) -> None:
    probing = named("192.0.2.99", 1000, port)
    counter = counting(world, cap=1, before=probing, proxy_protocol=True)
    with counter, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(port)) for _ in range(3)]
        assert answers(clients[0], "shop.test", before=named("192.0.2.1", 1001, port))
        assert not answers(clients[1], "shop.test", before=named("192.0.2.1", 1002, port))
        assert answers(clients[2], "shop.test", before=named("192.0.2.2", 1003, port))


def test_a_connection_that_ends_makes_room(world: World, port: int) -> None:
    """Soon enough for a client that opens one after another."""
    with counting(world):
        assert holding(port, CAP, "shop.test") == [True] * CAP
        full = lambda: all(holding(port, CAP, "shop.test"))  # noqa: E731
        wait_until(full, timeout=3, what="room for five again")


def test_without_the_counter_everybody_comes_in_and_it_is_told(world: World, port: int) -> None:
    let_in = "envoy_ext_authz_sluice_connections_failure_mode_allowed"
    with counting(world) as process:
        end(process)
        before = world.metric(let_in, proxy="EDGE_2")
        assert holding(port, 12, "shop.test") == [True] * 12
        assert world.metric(let_in, proxy="EDGE_2") == before + 12


def test_the_counter_tells_who_holds_the_most(world: World, port: int) -> None:
    metrics = free_port()
    with counting(world, "--metrics-port", str(metrics)), contextlib.ExitStack() as stack:
        clients: list[socket.socket] = [stack.enter_context(connected(port)) for _ in range(3)]
        assert [answers(client, "shop.test") for client in clients] == [True] * 3
        text = requests.get(f"http://127.0.0.1:{metrics}/metrics", timeout=5).text
    assert 'sluice_connections_most_open{client="127.0.0.1",tier="edge"} 3.0' in text
