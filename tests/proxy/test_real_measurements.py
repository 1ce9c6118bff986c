"""What real Envoys do with retries and TLS, and the series that they show for it."""

import socket
import ssl
from typing import Any

import grpc
import pytest

from lab import greeter
from tests.proxy.factories import weights
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real


def test_a_get_that_was_cut_is_retried_and_its_first_attempt_is_counted(world: World) -> None:
    labels = {"route": "shop", "arm": "shop-v1"}
    first = {**labels, "attempt": "1", "code": "0"}
    second = {**labels, "attempt": "2", "code": "200", "flags": "-"}
    answered = {**labels, "code": "200", "reason": "backend"}
    before = world.metric("envoy_sluice_attempt", **first)
    healed, requests = (
        world.metric("envoy_sluice_attempt", **second),
        world.metric("envoy_sluice_rq", **answered),
    )
    world.fault("shop-v1", error_rate=1, reset=True, first_attempt_only=True)
    assert [world.get("shop.test").status_code for _ in range(5)] == [200] * 5
    wait_until(
        lambda: world.metric("envoy_sluice_attempt", **first) == before + 5,
        timeout=5,
        what="five failed first tries",
    )
    assert world.metric("envoy_sluice_attempt", **second) == healed + 5
    assert world.metric("envoy_sluice_rq", **answered) == requests + 5


def test_a_503_with_retry_after_is_retried_and_one_without_is_not(world: World) -> None:
    world.fault("shop-v1", error_rate=1, status=503, retry_after=0, first_attempt_only=True)
    assert world.get("shop.test").status_code == 200
    world.fault("shop-v1", error_rate=1, status=503, first_attempt_only=True)
    answer = world.get("shop.test")
    assert answer.status_code == 503
    assert "x-sluice-retriable" not in answer.headers


def test_a_post_is_not_sent_twice_unless_it_bears_a_key(world: World) -> None:
    world.fault("payments", error_rate=1, reset=True, first_attempt_only=True)
    before = world.counts("payments-a")["total"]
    assert world.get("payments.test", method="POST", data=b"x").status_code == 503
    assert world.counts("payments-a")["total"] == before + 1
    keyed = world.get("payments.test", method="POST", data=b"x", headers={"Idempotency-Key": "1"})
    assert keyed.status_code == 200


def test_a_client_cannot_speak_for_the_proxy(world: World) -> None:
    """Neither for more retries nor for an attempt number of its own."""
    world.fault("payments", error_rate=1, reset=True, first_attempt_only=True)
    spoofed = {"x-envoy-retry-on": "5xx,reset", "x-envoy-attempt-count": "7", "x-sluice-retriable": "1"}
    assert world.get("payments.test", method="POST", data=b"x", headers=spoofed).status_code == 503


@pytest.mark.parametrize(
    ("backend", "fault", "code", "reason"),
    [
        ("payments", {"error_rate": 1, "status": 500}, 500, "backend"),
        ("payments", {"refuse": True}, 503, "connect_failed"),
        ("payments", {"error_rate": 1, "reset": True}, 503, "upstream_reset"),
        ("payments", {"latency_ms": 4000}, 504, "per_try_timeout"),
    ],
)
def test_each_failure_bears_its_reason(
    world: World, backend: str, fault: dict[str, Any], code: int, reason: str
) -> None:
    labels = {"route": "payments", "arm": backend, "code": str(code), "reason": reason}
    before = world.metric("envoy_sluice_rq", **labels)
    world.fault(backend, **fault)
    if fault.get("refuse"):
        _wait_until_unconnected(world, backend)
    assert world.get("payments.test", method="POST", data=b"x").status_code == code
    wait_until(
        lambda: world.metric("envoy_sluice_rq", **labels) == before + 1, timeout=5, what=f"reason {reason}"
    )


def _wait_until_unconnected(world: World, backend: str) -> None:
    """A request on a kept connection that the backend closes just then is reset, not refused."""
    wait_until(
        lambda: world.metric("envoy_cluster_upstream_cx_active", envoy_cluster_name=backend) == 0,
        timeout=5,
        what=f"no connection to {backend}",
    )


def test_a_request_to_no_route_is_counted_as_such(world: World) -> None:
    assert world.get("nobody.test").status_code == 404
    wait_until(lambda: world.metric("envoy_sluice_rq", reason="no_route") >= 1, timeout=5, what="no_route")


def test_added_latency_is_a_histogram_by_route_and_arm_in_microseconds(world: World) -> None:
    world.arms(20)
    labels = {"route": "shop", "arm": "shop-v1", "attempts": "1"}
    wait_until(
        lambda: world.metric("envoy_sluice_added_us_bucket", **labels, le="3000") >= 18,
        timeout=5,
        what="added",
    )
    assert world.metric("envoy_sluice_total_us_count", route="shop") >= 20
    assert world.metric("envoy_sluice_total_us_bucket", route="shop", le="1000") == 0


def test_without_exact_added_latency_requests_are_counted_and_no_histogram_is_kept(world: World) -> None:
    world.wait_acked(world.apply({"exact_added_latency": False}))
    world.reconnect()

    def seen(name: str) -> float:
        return world.metric(name, route="payments")

    counted, added = seen("envoy_sluice_rq"), seen("envoy_sluice_added_us_count")
    for _ in range(5):
        assert world.get("payments.test").status_code == 200
    wait_until(lambda: seen("envoy_sluice_rq") == counted + 5, timeout=5, what="five requests counted")
    assert seen("envoy_sluice_added_us_count") == added


def test_a_tighter_retry_budget_is_obeyed_and_rebuilds_no_cluster(world: World) -> None:
    patch = {"kind": "retry_budget", "upstream": "shop-v1", "percent": 0, "min_concurrency": 0}
    _, generation = world.put(patch, "upstream/shop-v1/retry_budget")
    world.wait_acked(generation)
    world.fault("shop-v1", error_rate=1, reset=True, first_attempt_only=True)
    before = world.metric("envoy_cluster_upstream_rq_retry_overflow", envoy_cluster_name="shop-v1")
    assert world.get("shop.test").status_code == 503
    after = world.metric("envoy_cluster_upstream_rq_retry_overflow", envoy_cluster_name="shop-v1")
    assert after == before + 1


def test_switched_off_retries_are_off(world: World) -> None:
    _, generation = world.put({"kind": "retry_off", "route": "shop"}, "route/shop/retry")
    world.wait_acked(generation)
    world.fault("shop-v1", error_rate=1, reset=True, first_attempt_only=True)
    assert world.get("shop.test").status_code == 503


def test_the_only_backend_of_a_canary_is_never_ejected(world: World) -> None:
    """Its failures must reach the judge: they come from the backend to the end."""
    _, generation = world.put(weights(10000), "route/shop/weights")
    world.wait_acked(generation)
    world.fault("shop-v2", error_rate=1, status=503)
    before = world.counts("shop-v2-a")["total"]
    assert {world.get("shop.test").status_code for _ in range(30)} == {503}
    assert world.counts("shop-v2-a")["total"] == before + 30


def test_a_session_ticket_of_one_proxy_resumes_on_the_other(world: World) -> None:
    context = ssl.create_default_context(cafile=str(world.var / "pki" / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # its ticket comes with the handshake, before any data
    session, reused = _handshake(world, context, "EDGE_1", None)
    assert not reused
    _, reused = _handshake(world, context, "EDGE_2", session)
    assert reused
    assert world.metric("envoy_listener_ssl_session_reused", proxy="EDGE_2") == 1


def _handshake(
    world: World, context: ssl.SSLContext, proxy: str, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bool]:
    address = ("127.0.0.1", world.ports[f"{proxy}_HTTPS_PORT"])
    with (
        socket.create_connection(address, timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="shop.test", session=session) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        assert secure.recv(100).startswith(b"HTTP/1.1 200")
        return secure.session, bool(secure.session_reused)


def test_grpc_calls_spread_over_the_backends_from_one_connection(world: World) -> None:
    names = ("greeter-a", "greeter-b", "greeter-c")
    before = {name: world.counts(name)["total"] for name in names}
    address = f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}"
    with grpc.insecure_channel(address, options=[("grpc.default_authority", "greeter.test")]) as channel:
        call = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        replies = [call("you", timeout=5).message for _ in range(60)]
    assert all("you" in reply for reply in replies)
    served = {name: world.counts(name)["total"] - before[name] for name in names}
    assert sum(served.values()) == 60
    assert min(served.values()) > 5
