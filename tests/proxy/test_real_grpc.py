"""gRPC failures on real Envoys: HTTP says 200 to all of them, the measurements do not."""

from collections import Counter
from typing import Any

import grpc
import pytest

from lab import greeter
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

GREETERS = ("greeter-a", "greeter-b", "greeter-c")
GREETER = {"route": "greeter", "arm": "greeter"}


def calls(world: World, count: int, *, timeout: float = 5.0) -> Counter[str]:
    """The statuses that a client sees; one connection."""
    with _channel(world) as channel:
        call = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        return Counter(_status(call, timeout) for _ in range(count))


def leave(world: World) -> None:
    """Call, and go when the answer has begun. A deadline would be the backend's too: it might answer first."""
    with _channel(world) as channel:
        # As a stream, since of a single answer the beginning is not told before its end.
        call = channel.unary_stream(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        answer: Any = call("you", timeout=30)
        assert answer.initial_metadata()
        answer.cancel()


def _channel(world: World) -> grpc.Channel:
    address = f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}"
    return grpc.insecure_channel(address, options=[("grpc.default_authority", "greeter.test")])


def _status(call: "grpc.UnaryUnaryMultiCallable[str, greeter.HelloReply]", timeout: float) -> str:
    try:
        call("you", timeout=timeout)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_a_failed_status_of_a_backend_is_measured_in_requests_and_first_attempts(world: World) -> None:
    failed = {**GREETER, "code": "200", "grpc": "13"}
    before = world.metric("envoy_sluice_rq", **failed, reason="backend")
    first = world.metric("envoy_sluice_attempt", **failed, attempt="1")
    world.fault("greeter-a", error_rate=1)

    seen = calls(world, 12)

    assert 0 < seen["INTERNAL"] < 12
    assert seen["INTERNAL"] + seen["OK"] == 12
    wait_until(
        lambda: world.metric("envoy_sluice_rq", **failed, reason="backend") == before + seen["INTERNAL"],
        timeout=5,
        what="the failures that the client saw",
    )
    assert world.metric("envoy_sluice_attempt", **failed, attempt="1") == first + seen["INTERNAL"]


def test_an_answer_that_the_proxy_made_for_grpc_is_the_proxys_failure(world: World) -> None:
    local = {**GREETER, "code": "200", "grpc": "14", "reason": "connect_failed"}
    before = world.metric("envoy_sluice_rq", **local)
    for name in GREETERS:
        world.fault(name, refuse=True)

    assert calls(world, 1) == {"UNAVAILABLE": 1}

    wait_until(
        lambda: world.metric("envoy_sluice_rq", **local) == before + 1, timeout=5, what="a local answer"
    )


def test_a_client_that_leaves_within_an_answer_is_no_failure(world: World) -> None:
    gone = {**GREETER, "code": "200", "grpc": "", "reason": "client_gone"}
    first = {**GREETER, "code": "200", "grpc": "", "flags": "-", "attempt": "1"}
    before, attempts = world.metric("envoy_sluice_rq", **gone), world.metric("envoy_sluice_attempt", **first)
    for name in GREETERS:
        world.fault(name, latency_ms=1000)

    leave(world)

    wait_until(
        lambda: world.metric("envoy_sluice_rq", **gone) == before + 1, timeout=5, what="a client that left"
    )
    assert world.metric("envoy_sluice_attempt", **first) == attempts + 1


def test_an_answer_that_the_proxy_cut_bears_its_reason(world: World) -> None:
    cut = {**GREETER, "code": "200", "grpc": "", "reason": "upstream_timeout"}
    before = world.metric("envoy_sluice_rq", **cut)
    for name in GREETERS:
        world.fault(name, latency_ms=3000)

    assert calls(world, 1)["OK"] == 0

    wait_until(lambda: world.metric("envoy_sluice_rq", **cut) == before + 1, timeout=5, what="a cut answer")


def test_an_http_answer_has_no_grpc_status(world: World) -> None:
    plain = {"route": "shop", "code": "200", "grpc": "", "reason": "backend"}
    before = world.metric("envoy_sluice_rq", **plain)

    assert world.get("shop.test").status_code == 200

    wait_until(lambda: world.metric("envoy_sluice_rq", **plain) == before + 1, timeout=5, what="a request")


def test_a_failed_call_is_a_line_in_the_log_and_a_good_one_is_not(world: World) -> None:
    world.fault("greeter-a", error_rate=1, status=503)  # no other test gives this status

    seen = calls(world, 9)

    # Envoy writes its log every ten seconds.
    wait_until(
        lambda: _logged(world, '"grpc":14,', "via_upstream") == seen["UNAVAILABLE"] > 0,
        timeout=20,
        what="a line for each failure",
    )
    assert _logged(world, '"grpc":0,') == 0


def _logged(world: World, *parts: str) -> int:
    lines = (world.var / "edge-1.log").read_text().splitlines()
    return sum(all(part in line for part in parts) for line in lines)
