"""What lasts long, on purpose, on a real Envoy: upgraded connections, and answers that are long in coming."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxy.asking import ask, endpoints, serve
from tests.proxy.clients import connected
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

SHORT = 0.4
"""The seconds that a request may take here."""
ASKING = (
    b"GET /chat HTTP/1.1\r\nHost: w.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


class Echo(socketserver.StreamRequestHandler):
    """Agrees to go over to another protocol, in which every line comes back until one is `bye`."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while self.rfile.readline().strip():
                pass
            self.wfile.write(AGREED)
            for line in self.rfile:
                self.wfile.write(line)
                if line == b"bye\n":
                    break


@pytest.fixture
def echo_port() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def chatting(world: World, port: int, **route: Any) -> None:
    serve(
        world,
        upstreams=[{"name": "w", "endpoints": [{"port": port}]}],
        routes=[{"name": "w", "hosts": ["w.test"], "upstream": "w", **route}],
    )


def upgraded(world: World, client: socket.socket) -> bytes:
    """The first line of the answer to a client that wants to go over to websocket."""
    client.sendall(ASKING)
    return client.recv(65536).partition(b"\r\n")[0]


def test_a_websocket_outlives_the_routes_timeout(world: World, echo_port: int) -> None:
    chatting(world, echo_port, upgrade=["websocket"], timeout=f"{SHORT}s")
    with connected(world.ports["EDGE_1_HTTP_PORT"]) as client:
        assert upgraded(world, client) == b"HTTP/1.1 101 Switching Protocols"
        client.settimeout(3 * SHORT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.sendall(b"still there\n")
        assert client.recv(65536) == b"still there\n"


def test_a_websocket_that_its_backend_ends_is_no_failure(world: World, echo_port: int) -> None:
    chatting(world, echo_port, upgrade=["websocket"])
    request = {"route": "w", "code": "101", "reason": "backend"}
    attempt = {"route": "w", "code": "101", "attempt": "1", "flags": "-"}
    requests, attempts = counted(world, request, attempt)

    with connected(world.ports["EDGE_1_HTTP_PORT"]) as client:
        upgraded(world, client)
        client.sendall(b"bye\n")
        assert client.recv(65536) == b"bye\n"
        assert client.recv(65536) == b""

    told = lambda: counted(world, request, attempt) == (requests + 1, attempts + 1)  # noqa: E731
    wait_until(told, timeout=5, what="an upgrade that went well")


def counted(world: World, request: dict[str, str], attempt: dict[str, str]) -> tuple[float, float]:
    return world.metric("envoy_sluice_rq", **request), world.metric("envoy_sluice_attempt", **attempt)


def test_a_route_that_does_not_say_so_upgrades_nothing(world: World, echo_port: int) -> None:
    chatting(world, echo_port)
    with connected(world.ports["EDGE_1_HTTP_PORT"]) as client:
        assert upgraded(world, client) == b"HTTP/1.1 403 Forbidden"


def test_a_websocket_in_which_nothing_moves_is_ended(world: World, echo_port: int) -> None:
    chatting(world, echo_port, upgrade=["websocket"], idle_timeout=f"{SHORT}s")
    with connected(world.ports["EDGE_1_HTTP_PORT"]) as client:
        upgraded(world, client)
        assert client.recv(65536) == b""


@pytest.mark.parametrize(("idle", "status"), [({}, 200), ({"idle_timeout": f"{SHORT}s"}, 504)])
def test_an_answer_may_be_as_long_in_coming_as_its_route_says(
    world: World, idle: dict[str, str], status: int
) -> None:
    """The tier's limit of streams in which nothing moves is shorter: the route's own word counts."""
    serve(
        world,
        upstreams=[{"name": "r", "endpoints": endpoints(world, "payments-a")}],
        routes=[{"name": "r", "hosts": ["r.test"], "upstream": "r", "timeout": "5s", **idle}],
        limits={"stream_idle_timeout": f"{SHORT}s"},
    )
    world.fault("payments-a", latency_ms=3000 * SHORT)
    (answer,) = ask(world, "r.test", 1)
    assert answer.status == status
