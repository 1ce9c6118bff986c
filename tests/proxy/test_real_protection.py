"""Slow and many clients against a real Envoy: each is cut, while one that behaves well feels nothing."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
import requests

from lab.drills import siege
from lab.drills.attackers import attack, dripping, reading_nothing, reading_until_answered
from lab.drills.frames import GOAWAY, HEADERS, RST_STREAM
from tests.proxy.clients import (
    BIG,
    Good,
    answers,
    backend,
    connected,
    holding,
    named,
)
from tests.proxy.frames import http2
from tests.proxy.own import ask, declare
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

MANY = 200
SLACK = 2.0
"""Seconds that a cut may come after its time: `delayed_close_timeout` is 1 s of it, a busy machine the rest."""


@pytest.fixture(scope="module")
def own_port() -> Iterator[int]:
    with backend() as port:
        yield port


def good(world: World) -> Good:
    return Good(f"http://127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}/", "shop.test")


def test_every_client_that_drips_its_headers_is_cut(world: World, own_port: int) -> None:
    declare(world, own_port, {"request_headers_timeout": "1s"})
    drip = dripping(b"GET / HTTP/1.1\r\nHost: own.test\r\nx-slow: ", b"a")
    with good(world) as client:
        ended = attack(world.ports["EDGE_1_HTTP_PORT"], MANY, drip)
    assert max(seconds for seconds, _ in ended) < 1 + SLACK
    assert {read[:12] for _, read in ended} == {b"HTTP/1.1 408"}
    assert set(client.codes) == {200}


def test_every_client_that_drips_its_body_is_cut(world: World, own_port: int) -> None:
    declare(world, own_port, {"request_timeout": "1s"})
    drip = dripping(b"POST / HTTP/1.1\r\nHost: own.test\r\ncontent-length: 100000\r\n\r\n", b"a")
    with good(world) as client:
        ended = attack(world.ports["EDGE_1_HTTP_PORT"], MANY, drip)
    assert max(seconds for seconds, _ in ended) < 1 + SLACK
    assert {read[:12] for _, read in ended} == {b"HTTP/1.1 408"}
    assert set(client.codes) == {200}


@pytest.mark.parametrize("kind", ["slow-header", "slow-body"])
def test_over_http2_the_slow_request_ends_and_its_connection_when_it_was_idle_and_drained(
    kind: str, world: World, own_port: int
) -> None:
    times = {"request_headers_timeout": "1s", "request_timeout": "1s", "idle_timeout": "1s"}
    declare(world, own_port, {**times, "drain_timeout": "500ms"})
    before = world.metric("envoy_sluice_rq", code="408", reason="slow_client")
    drip = siege.KINDS[kind]("own.test", "/", http2=True)
    with good(world) as client:
        ended = attack(world.ports["EDGE_1_HTTP_PORT"], MANY, drip)
    assert max(seconds for seconds, _ in ended) < 1 + 1 + 0.5 + SLACK
    assert world.metric("envoy_sluice_rq", code="408", reason="slow_client") == before + MANY
    assert set(client.codes) == {200}


def test_every_client_that_does_not_read_its_answer_is_cut(world: World, own_port: int) -> None:
    limits = {"buffer_bytes": 16384, "per_connection_buffer_high_watermark_timeout": "1s"}
    declare(world, own_port, limits)
    slow = reading_nothing(b"GET /big HTTP/1.1\r\nHost: own.test\r\n\r\n", 1 + SLACK)
    with good(world) as client:
        ended = attack(world.ports["EDGE_1_HTTP_PORT"], MANY, slow, window=4096)
    assert sum(len(read) > BIG / 2 for _, read in ended) == 0
    assert set(client.codes) == {200}


def test_a_slow_reader_is_told_as_a_slow_client(world: World, own_port: int) -> None:
    limits = {"buffer_bytes": 16384, "per_connection_buffer_high_watermark_timeout": "500ms"}
    declare(world, own_port, limits)
    labels = {"route": "own", "code": "200", "reason": "slow_client"}
    before = world.metric("envoy_sluice_rq", **labels)
    slow = reading_nothing(b"GET /big HTTP/1.1\r\nHost: own.test\r\n\r\n", 1)
    attack(world.ports["EDGE_1_HTTP_PORT"], 1, slow, window=4096)
    counted = lambda: world.metric("envoy_sluice_rq", **labels) == before + 1  # noqa: E731
    wait_until(counted, timeout=5, what="a slow client")


def test_the_kernel_takes_little_of_an_answer_that_is_not_read(world: World, own_port: int) -> None:
    """Else each slow reader costs up to 4 MiB that no cap of Envoy's counts."""
    declare(world, own_port, {"buffer_bytes": 16384})
    port = world.ports["EDGE_1_HTTP_PORT"]
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /big HTTP/1.1\r\nHost: own.test\r\n\r\n")
        here = client.getsockname()[1]
        unsent = wait_until(lambda: unsent_bytes(port, here), timeout=5, what="bytes in the kernel's queue")
        assert unsent <= 2 * 65536


def unsent_bytes(port: int, client_port: int) -> int:
    """The send queue of the proxy's end of a connection, in bytes: /proc/net/tcp, ports in hexadecimal."""
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    ends = f":{port:04X}", f":{client_port:04X}"
    return sum(int(r[4].split(":")[0], 16) for r in rows if (r[1][-5:], r[2][-5:]) == ends)


def test_an_answer_that_a_client_takes_no_window_for_is_given_up(world: World, own_port: int) -> None:
    declare(world, own_port, {"stream_flush_timeout": "500ms"})
    with http2(world.ports["EDGE_1_HTTP_PORT"], window=1) as client:
        client.ask(1, "own.test")
        assert client.wait_for(RST_STREAM, 3) is not None


def test_a_stream_without_progress_is_ended(world: World, own_port: int) -> None:
    declare(world, own_port, {"stream_idle_timeout": "500ms"}, route={"timeout": "400ms"})
    with http2(world.ports["EDGE_1_HTTP_PORT"]) as client:
        client.ask(1, "own.test", method="POST", ends=False)
        assert client.wait_for(HEADERS, 3) is not None
    labels = {"route": "own", "code": "408", "reason": "slow_client"}
    wait_until(
        lambda: world.metric("envoy_sluice_rq", **labels) >= 1, timeout=5, what="told as a slow client"
    )


def test_a_connection_without_requests_is_closed(world: World, own_port: int) -> None:
    declare(world, own_port, {"idle_timeout": "1s"})
    ended = attack(world.ports["EDGE_1_HTTP_PORT"], 20, dripping(b"", b""))
    assert max(seconds for seconds, _ in ended) < 1 + SLACK


def test_a_tls_handshake_that_does_not_come_is_cut(world: World, own_port: int) -> None:
    declare(world, own_port, {"handshake_timeout": "500ms"})
    port = world.ports["EDGE_1_HTTPS_PORT"]
    silent = attack(port, 20, dripping(b"", b""))
    begun = attack(port, 20, dripping(b"\x16\x03\x01\x02\x00", b"\x01"))
    assert max(seconds for seconds, _ in [*silent, *begun]) < 0.5 + SLACK


def test_headers_beyond_their_limits_are_refused(world: World, own_port: int) -> None:
    declare(world, own_port, {"max_headers_count": 20, "max_headers_kb": 8})
    many = ask(world, headers={f"x-{number}": "a" for number in range(30)})
    large = ask(world, headers={"x-large": "a" * 9000})
    assert (many.status_code, large.status_code) == (431, 431)


def test_a_listener_takes_so_many_connections_and_no_more(world: World, own_port: int) -> None:
    declare(world, own_port, {"max_connections": 5})
    held = holding(world.ports["EDGE_2_HTTP_PORT"], 8, "shop.test")
    assert sorted(held) == [False] * 3 + [True] * 5


def test_connections_above_the_rate_are_closed_before_their_handshake(world: World, own_port: int) -> None:
    declare(world, own_port, {"max_accepts_per_second": 10})
    held = holding(world.ports["EDGE_2_HTTP_PORT"], 40, "shop.test")
    assert 10 <= sum(held) < 30
    assert world.metric("envoy_listener_local_ratelimit_rate_limited", proxy="EDGE_2") >= 10


def test_a_connection_goes_after_its_last_request(world: World, own_port: int) -> None:
    declare(world, own_port, {"max_requests_per_connection": 3})
    port = world.ports["EDGE_1_HTTP_PORT"]
    with http2(port) as client:
        for stream in (1, 3, 5, 7):
            client.ask(stream, "own.test")
        assert client.wait_for(GOAWAY, 3) is not None
    url = f"http://127.0.0.1:{port}/"
    with requests.Session() as session:
        told = [session.get(url, headers={"Host": "own.test"}).headers.get("connection") for _ in range(3)]
    assert told == [None, None, "close"]


def test_a_connection_goes_when_it_is_old(world: World, own_port: int) -> None:
    """First by word, so that nothing under way is lost."""
    age = {"max_connection_duration": "500ms", "max_connection_duration_jitter": 0, "drain_timeout": "500ms"}
    declare(world, own_port, age)
    with http2(world.ports["EDGE_1_HTTP_PORT"]) as client:
        client.ask(1, "own.test")
        began = time.monotonic()
        told = client.wait_for(GOAWAY, 3)
        assert told is not None
        assert told.error == 0
        assert 0.3 < time.monotonic() - began < 2


def test_a_client_that_opens_and_resets_streams_is_cut(world: World, own_port: int) -> None:
    declare(world, own_port, {"stream_reset_burst": 10, "stream_reset_rate": 1})
    with http2(world.ports["EDGE_1_HTTP_PORT"]) as client:
        for stream in range(1, 101, 2):
            client.ask(stream, "own.test", "/slow")
            client.reset(stream)
        assert client.wait_for(GOAWAY, 3) is not None


def test_a_client_that_opens_more_streams_than_allowed_is_cut(world: World, own_port: int) -> None:
    declare(world, own_port, {"max_concurrent_streams": 3})
    with http2(world.ports["EDGE_1_HTTP_PORT"]) as client:
        for stream in (1, 3, 5, 7, 9):
            client.ask(stream, "own.test", "/slow")
        assert [frame for frame in client.frames(1.5) if frame.kind == HEADERS] == []
    with http2(world.ports["EDGE_1_HTTP_PORT"]) as client:
        for stream in (1, 3, 5):
            client.ask(stream, "own.test")
        assert len([frame for frame in client.frames(1) if frame.kind == HEADERS]) == 3


def test_a_full_upstream_answers_503_at_once_instead_of_queueing(world: World, own_port: int) -> None:
    narrow = {"circuit_breaker": {"max_connections": 1, "max_pending_requests": 1}}
    declare(world, own_port, {}, upstream=narrow)
    ask = reading_until_answered(b"GET /slow HTTP/1.1\r\nHost: own.test\r\n\r\n")
    ended = attack(world.ports["EDGE_1_HTTP_PORT"], 30, ask)
    refused = sorted(seconds for seconds, read in ended if read == b"HTTP/1.1 503")
    assert len(refused) >= 26  # one runs, one waits; Envoy may open one connection more than allowed
    assert refused[-1] < 0.25


def test_a_penalty_holds_its_range_short_and_nobody_else(world: World, own_port: int) -> None:
    patch = {"kind": "penalty", "prefixes": ["127.0.0.2/32"], "max_connections": 3}
    port = world.ports["EDGE_2_HTTP_PORT"]
    with connected(port) as before:
        assert answers(before, "shop.test")
        _, generation = world.put(patch, "clients/penalty")
        world.wait_acked(generation)
        assert sorted(holding(port, 6, "shop.test", source="127.0.0.2")) == [False] * 3 + [True] * 3
        assert holding(port, 6, "shop.test") == [True] * 6
        assert answers(before, "shop.test"), "a connection from elsewhere was cut by the change"


def test_behind_a_balancer_the_client_is_whom_the_balancer_names(world: World, own_port: int) -> None:
    penalty = {"prefixes": ["203.0.113.0/24"], "max_connections": 1}
    declare(world, own_port, {}, proxy_protocol=True, protection={"penalties": [penalty]})
    port = world.ports["EDGE_2_HTTP_PORT"]

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(port)) for _ in range(4)]
        assert not answers(clients[0], "shop.test"), "a client spoke past the balancer"
        assert answers(clients[1], "shop.test", before=named("203.0.113.7", 1001, port))
        assert not answers(clients[2], "shop.test", before=named("203.0.113.8", 1002, port))
        assert answers(clients[3], "shop.test", before=named("198.51.100.7", 1003, port))
