"""Tightening overlays on real Envoys: each does what it says, is read back, and is taken back without a lost request."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
import requests
from django.utils import timezone

from lab import greeter
from lab.drills.attackers import attack, dripping
from proxy import selectors, services
from proxy.domain.obedience import Reading
from proxy.domain.patches import target_of
from proxy.envoy_admin import EnvoyAdmin
from tests.proxy.asking import ask, endpoints, serve
from tests.proxy.clients import connected
from tests.proxy.world import BY, World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

GREETERS = ("greeter-a", "greeter-b", "greeter-c")
PAIR = ("shop-v1-a", "shop-v1-b")


@contextlib.contextmanager
def laid(world: World, patch: dict[str, Any]) -> Iterator[dict[str, tuple[Reading, ...]]]:
    """With the patch over the tier, and what both proxies show of it; without it afterwards."""
    target = target_of(patch)
    fence, generation = world.put(patch, target)
    world.wait_acked(generation)
    yield services.obeyed(admin=EnvoyAdmin(), tier="edge", patches=[patch], now=timezone.now())
    gone = services.delete_overlay(
        tier="edge", target=target, owner="test", fence=fence, by=BY, reason="over", now=timezone.now()
    )
    world.wait_acked(gone)


def proven(readings: dict[str, tuple[Reading, ...]]) -> None:
    assert {name: [each.says for each in of if not each.proven] for name, of in readings.items()} == {
        "edge-1": [],
        "edge-2": [],
    }


@dataclass
class Steady:
    """Requests one after the other on kept connections, from a few threads, for the length of the block."""

    world: World
    host: str
    codes: Counter[int] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Steady":
        self._pool = ThreadPoolExecutor(3)
        self._asking = [self._pool.submit(self._ask) for _ in range(3)]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._asking:
            self.codes += each.result()
        self._pool.shutdown()

    def _ask(self) -> Counter[int]:
        url, found = f"http://127.0.0.1:{self.world.ports['EDGE_1_HTTP_PORT']}/", Counter[int]()
        with requests.Session() as session:
            while not self._over.wait(0.01):
                found[session.get(url, headers={"Host": self.host}, timeout=5).status_code] += 1
        return found


def served(world: World, *backends: str, route: dict[str, Any] | None = None, **upstream: Any) -> None:
    """One route, u.test, without retries, to one upstream."""
    one = {"name": "u", "endpoints": endpoints(world, *backends), **upstream}
    routes = [{"name": "u", "hosts": ["u.test"], "upstream": "u", "retry": {"attempts": 0}, **(route or {})}]
    serve(world, upstreams=[one], routes=routes)
    world.reconnect()


@pytest.mark.parametrize(
    "patch",
    [
        {"kind": "lb_policy", "upstream": "u"},
        {"kind": "outlier_detection", "upstream": "u", "consecutive_failures": 3, "max_ejection_percent": 50},
        {"kind": "upstream_cycling", "upstream": "u", "max_requests_per_connection": 10},
        {"kind": "circuit_breaker", "upstream": "u", "max_pending_requests": 40, "max_requests": 100},
        {"kind": "limits", "request_headers_timeout": "2s", "request_timeout": "10s", "max_connections": 500},
        {
            "kind": "limits",
            "stream_flush_timeout": "3s",
            "per_connection_buffer_high_watermark_timeout": "3s",
        },
        {"kind": "connection_cycling", "max_requests_per_connection": 20},
        {"kind": "accept_brake"},
        {"kind": "drain", "upstream": "u", "endpoints": ["shop-v1-a"]},
    ],
    ids=lambda patch: "-".join(patch),
)
def test_it_is_read_back_and_comes_and_goes_without_a_lost_request(
    world: World, patch: dict[str, Any]
) -> None:
    served(world, *PAIR, lb_policy="maglev", hash_on={"header": "x-user"})
    with Steady(world, "u.test") as client:
        with laid(world, patch) as readings:
            proven(readings)
            time.sleep(0.3)
        time.sleep(0.3)
    assert set(client.codes) == {200}
    assert client.codes.total() > 50


def test_what_is_laid_and_taken_back_is_no_drift_and_needs_no_restart(world: World) -> None:
    patch = {"kind": "limits", "max_connections": 500, "max_connections_per_address": 100}
    with laid(world, patch):
        services.readback(admin=EnvoyAdmin(), now=timezone.now())
        assert {row.name: row.drift for row in selectors.tier("edge").proxies} == {"edge-1": (), "edge-2": ()}
    services.readback(admin=EnvoyAdmin(), now=timezone.now())
    assert {row.name: row.drift for row in selectors.tier("edge").proxies} == {"edge-1": (), "edge-2": ()}


def test_a_reading_that_contradicts_says_what_runs(world: World) -> None:
    patch = {"kind": "circuit_breaker", "upstream": "payments", "max_pending_requests": 7}
    key = "circuit_breakers.payments.default.max_pending_requests"
    before = services.obeyed(admin=EnvoyAdmin(), tier="edge", patches=[patch], now=timezone.now())
    assert before["edge-1"] == (Reading(f"runtime {key} is (none), not 7", contradicts=True),)
    with laid(world, patch) as readings:
        assert readings["edge-1"] == (Reading(f"runtime {key} is 7", proven=True),)
        requests.post(f"http://{world.admin()}/runtime_modify", params={key: "9"}, timeout=5)
        by_hand = services.obeyed(admin=EnvoyAdmin(), tier="edge", patches=[patch], now=timezone.now())
        requests.post(f"http://{world.admin()}/runtime_modify", params={key: ""}, timeout=5)
    assert by_hand["edge-1"] == (Reading(f"runtime {key} is 9, not 7", contradicts=True),)
    assert by_hand["edge-2"] == (Reading(f"runtime {key} is 7", proven=True),)


def test_a_shorter_queue_refuses_at_once_and_rebuilds_no_cluster(world: World) -> None:
    breaker = {"max_connections": 2, "max_pending_requests": 50}
    served(world, "payments-a", circuit_breaker=breaker)
    world.fault("payments-a", latency_ms=300)
    ask(world, "u.test", 2, at_once=2)  # who waits for a connect waits in the queue
    rebuilt = world.metric("envoy_cluster_manager_cluster_modified")
    with laid(world, {"kind": "circuit_breaker", "upstream": "u", "max_pending_requests": 3}):
        asked = ask(world, "u.test", 20, at_once=20)
        assert Counter(one.status for one in asked) == {200: 5, 503: 15}
        assert max(one.seconds for one in asked if one.status == 503) < 0.25
        assert world.metric("envoy_cluster_manager_cluster_modified") == rebuilt
    assert {one.status for one in ask(world, "u.test", 12, at_once=12)} == {200}


def test_a_share_is_shed_with_a_fast_503(world: World) -> None:
    served(world, "payments-a")
    with laid(world, {"kind": "shed", "upstream": "u", "percent": 50}) as readings:
        proven(readings)
        found = Counter(one.status for one in ask(world, "u.test", 200))
    assert 60 < found[503] < 140
    assert found[200] == 200 - found[503]
    told = {"reason": "circuit_open", "code": "503", "route": "u"}
    counted = lambda: world.metric("envoy_sluice_rq", **told) >= found[503]  # noqa: E731
    wait_until(counted, timeout=5, what="what was shed")
    assert {one.status for one in ask(world, "u.test", 30)} == {200}


def test_what_was_hashed_is_balanced(world: World) -> None:
    served(world, *PAIR, lb_policy="maglev", hash_on={"source_ip": True})
    assert len({one.backend for one in ask(world, "u.test", 30)}) == 1
    with laid(world, {"kind": "lb_policy", "upstream": "u"}):
        found = Counter(one.backend for one in ask(world, "u.test", 60))
        assert min(found[name] for name in PAIR) > 10
    assert len({one.backend for one in ask(world, "u.test", 30)}) == 1


def test_one_of_two_that_fails_is_ejected(world: World) -> None:
    served(world, *PAIR)
    patch = {
        "kind": "outlier_detection",
        "upstream": "u",
        "consecutive_failures": 3,
        "max_ejection_percent": 50,
    }
    with laid(world, patch) as readings:
        proven(readings)
        requests_fail_at_one(world)
        wait_until(
            lambda: (
                world.metric("envoy_cluster_outlier_detection_ejections_active", envoy_cluster_name="u") == 1
            ),
            timeout=5,
            what="an ejection",
        )
        assert {one.status for one in ask(world, "u.test", 30)} == {200}


def requests_fail_at_one(world: World) -> None:
    world.fault("shop-v1-a", error_rate=1, status=503)
    ask(world, "u.test", 40)


def test_a_grpc_client_is_told_to_go_and_loses_no_call(world: World) -> None:
    """GOAWAY: it opens another connection, and every call ends well."""
    options = [("grpc.default_authority", "greeter.test")]
    before = world.metric("envoy_http_downstream_cx_http2_total")
    patch = {"kind": "connection_cycling", "max_requests_per_connection": 20}
    with (
        laid(world, patch),
        grpc.insecure_channel(f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}", options=options) as channel,
    ):
        call = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        answers = [call("you", timeout=10).message for _ in range(100)]
    assert len(answers) == 100
    assert world.metric("envoy_http_downstream_cx_http2_total") - before >= 4


def test_a_grpc_client_that_was_there_before_is_told_to_go_too(world: World) -> None:
    """Its connection goes on by what it was told; the listener's change drains it."""
    options = [("grpc.default_authority", "greeter.test")]
    patch = {"kind": "connection_cycling", "max_requests_per_connection": 50}
    with grpc.insecure_channel(f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}", options=options) as channel:
        call = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        call("you", timeout=10)
        before = world.metric("envoy_http_downstream_cx_http2_total")
        with laid(world, patch):
            began = time.monotonic()
            while world.metric("envoy_http_downstream_cx_http2_total") == before:
                for _ in range(50):
                    call("you", timeout=10)
                assert time.monotonic() - began < 20


def test_connections_to_an_endpoint_end_after_their_requests(world: World) -> None:
    served(world, *GREETERS[:1], protocol="http2")
    with laid(world, {"kind": "upstream_cycling", "upstream": "u", "max_requests_per_connection": 5}):
        before = world.metric("envoy_cluster_upstream_cx_total", envoy_cluster_name="u")
        options = [("grpc.default_authority", "u.test")]
        with grpc.insecure_channel(
            f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}", options=options
        ) as channel:
            call = channel.unary_unary(
                greeter.PATH,
                request_serializer=greeter.request_bytes,
                response_deserializer=greeter.read_reply,
            )
            answers = [call("you", timeout=10).message for _ in range(40)]
        opened = world.metric("envoy_cluster_upstream_cx_total", envoy_cluster_name="u") - before
    assert len(answers) == 40
    assert opened >= 7


def test_a_client_that_drips_its_headers_is_cut_sooner(world: World) -> None:
    drip = dripping(b"GET / HTTP/1.1\r\nHost: shop.test\r\nx-slow: ", b"a")
    with laid(world, {"kind": "limits", "request_headers_timeout": "1s"}):
        ended = attack(world.ports["EDGE_1_HTTP_PORT"], 20, drip)
    assert max(seconds for seconds, _ in ended) < 3
    assert {read[:12] for _, read in ended} == {b"HTTP/1.1 408"}


def test_fewer_connections_are_accepted_at_once(world: World) -> None:
    patch = {"kind": "limits", "max_connections": 4}
    world.reconnect()
    with laid(world, patch), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(world.ports["EDGE_2_HTTP_PORT"])) for _ in range(8)]
        name = "envoy_listener_downstream_cx_overflow"
        refused = lambda: world.metric(name, proxy="EDGE_2") >= 4  # noqa: E731
        wait_until(refused, timeout=5, what="connections that were refused")
        assert len(clients) == 8


def test_the_brake_lets_few_come_and_drains_nobody(world: World) -> None:
    world.wait_acked(world.apply({"limits": {"braked_accepts_per_second": 5}}))
    world.reconnect()
    port = world.ports["EDGE_1_HTTP_PORT"]
    with connected(port) as kept, laid(world, {"kind": "accept_brake"}) as readings:
        proven(readings)
        kept.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        head = kept.recv(65536)
        assert head.startswith(b"HTTP/1.1 200")
        assert b"connection: close" not in head.lower()
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(connected(port))
            name = "envoy_listener_local_ratelimit_rate_limited"
            braked = {"envoy_local_listener_ratelimit_prefix": "edge_braked"}
            refused = lambda: world.metric(name, **braked) >= 25  # noqa: E731
            wait_until(refused, timeout=5, what="accepts that were refused")
