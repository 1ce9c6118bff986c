"""Health checks of real Envoys that are not HTTP: by grpc.health.v1, and by a connection alone."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import pytest

from lab import greeter
from tests.proxy.asking import ask, endpoints, serve
from tests.proxy.world import World
from tests.support.processes import free_port, wait_until

pytestmark = pytest.mark.real

SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"  # HealthCheckResponse.status
OFTEN = {"interval": "0.2s", "timeout": "0.2s", "no_traffic_interval": "0.2s", "unhealthy_threshold": 3}
ALONE: dict[str, Any] = {"retry": {"attempts": 0}}


@dataclass
class Greeter:
    """Greets in its name, and says how it is when it is asked."""

    name: str
    port: int = field(default_factory=free_port)
    well: bool = True
    asked_for: set[bytes] = field(default_factory=set)

    def handlers(self) -> tuple["grpc.GenericRpcHandler[Any, Any]", ...]:
        checks = {"Check": grpc.unary_unary_rpc_method_handler(self._check)}
        hello = grpc.unary_unary_rpc_method_handler(lambda _, context: greeter.reply_bytes(self.name))
        return (
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", checks),
            grpc.method_handlers_generic_handler(greeter.SERVICE, {greeter.METHOD: hello}),
        )

    def _check(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.asked_for.add(request[2:])  # behind the tag and the length of HealthCheckRequest.service
        return SERVING if self.well else NOT_SERVING


@contextlib.contextmanager
def greeting(*greeters: Greeter) -> Iterator[None]:
    servers = []
    for each in greeters:
        server = grpc.server(ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers(each.handlers())
        server.add_insecure_port(f"127.0.0.1:{each.port}")
        server.start()
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            server.stop(None)


def greeted_by(world: World, count: int = 20) -> set[str]:
    options = [("grpc.default_authority", "u.test")]
    with grpc.insecure_channel(f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}", options=options) as channel:
        call = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        return {call("you", timeout=5).message for _ in range(count)}


def healthy(world: World) -> float:
    return world.metric("envoy_cluster_membership_healthy", envoy_cluster_name="u")


def test_a_grpc_endpoint_that_says_it_does_not_serve_gets_nothing(world: World) -> None:
    one, other = Greeter("one"), Greeter("other")
    check = {"type": "grpc", "service_name": "helloworld.Greeter", **OFTEN}
    with greeting(one, other):
        serve(
            world,
            upstreams=[
                {
                    "name": "u",
                    "protocol": "http2",
                    "endpoints": [{"port": one.port}, {"port": other.port}],
                    "health_check": check,
                }
            ],
            routes=[{"name": "u", "hosts": ["u.test"], "upstream": "u", **ALONE}],
        )
        assert greeted_by(world) == {"one", "other"}
        one.well = False
        wait_until(lambda: healthy(world) == 1, timeout=5, what="one is unhealthy")
        assert greeted_by(world) == {"other"}
        assert one.asked_for == {b"helloworld.Greeter"}
        one.well = True
        wait_until(lambda: greeted_by(world) == {"one", "other"}, timeout=5, what="it is well again")


def test_an_endpoint_comes_back_after_as_many_good_answers_as_declared(world: World) -> None:
    took = {}
    for answers in (1, 10):
        world.fault("shop-v1-a", error_rate=1)
        pair = endpoints(world, "shop-v1-a", "shop-v1-b")
        check = {"path": "/", "healthy_threshold": answers, "interval_jitter_percent": 0, **OFTEN}
        serve(
            world,
            upstreams=[{"name": "u", "endpoints": pair, "health_check": check}],
            routes=[{"name": "u", "hosts": ["u.test"], "upstream": "u", **ALONE}],
        )
        wait_until(lambda: healthy(world) == 1, timeout=5, what="one is unhealthy")
        world.fault("shop-v1-a")
        began = time.monotonic()
        wait_until(lambda: healthy(world) == 2, timeout=10, what="it is well again")
        took[answers] = time.monotonic() - began
    assert took[10] - took[1] > 1  # nine intervals are 1.8 s


def asked_often(world: World, upstream: str) -> bool:
    return world.metric("envoy_cluster_health_check_attempt", envoy_cluster_name=upstream) > 8


def test_the_answers_that_are_healthy_are_those_declared(world: World) -> None:
    """Both endpoints answer 418: none is healthy, and then health is ignored; or both are."""
    for name in ("shop-v1-a", "shop-v1-b"):
        world.fault(name, error_rate=1, status=418)
    pair = endpoints(world, "shop-v1-a", "shop-v1-b")
    for statuses, well in (([200], 0), ([200, 418], 2)):
        check = {"path": "/", "expected_statuses": statuses, **OFTEN}
        serve(
            world,
            upstreams=[{"name": f"u{well}", "endpoints": pair, "health_check": check}],
            routes=[{"name": "u", "hosts": ["u.test"], "upstream": f"u{well}", **ALONE}],
        )
        wait_until(partial(asked_often, world, f"u{well}"), timeout=5, what="some questions")
        healthy_ones = world.metric("envoy_cluster_membership_healthy", envoy_cluster_name=f"u{well}")
        assert healthy_ones == well


def test_an_endpoint_that_takes_no_connection_gets_nothing(world: World) -> None:
    world.fault("shop-v1-a", refuse=True)
    pair = endpoints(world, "shop-v1-a", "shop-v1-b")
    bare = {"name": "u", "endpoints": pair, "outlier_detection": {"enabled": False}}
    routes = [{"name": "u", "hosts": ["u.test"], "upstream": "u", **ALONE}]

    serve(world, upstreams=[bare], routes=routes)
    assert {one.status for one in ask(world, "u.test", 40)} == {200, 503}

    serve(world, upstreams=[{**bare, "health_check": {"type": "tcp", **OFTEN}}], routes=routes)
    wait_until(lambda: healthy(world) == 1, timeout=5, what="one is unhealthy")
    assert Counter(one.status for one in ask(world, "u.test", 40)) == {200: 40}
