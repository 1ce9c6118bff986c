"""The signals of hotspots, handshake storms, slow clients and brownouts, on real Envoys and a real Prometheus."""

import math
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from lab.drills.attackers import attack, dripping, reading_nothing
from proxy import selectors
from runbooks import texts
from runbooks.domain.judging import Judge
from runbooks.services.measuring import Answers, measure
from telemetry.domain import clients, endpoints, handshakes
from telemetry.prometheus import Prometheus
from tests.proxy.asking import ask, serve
from tests.proxy.asking import endpoints as lab_endpoints
from tests.proxy.clients import backend, connected
from tests.proxy.own import declare
from tests.proxy.world import World
from tests.support.processes import wait_until
from tests.support.prometheus import Target, prometheus

pytestmark = pytest.mark.real

WINDOW = timedelta(seconds=4)
TRIO = ("shop-v1-a", "shop-v1-b", "shop-v2-a")
EDGE: dict[str, Any] = {"tier": "edge", "window": WINDOW}


@pytest.fixture(scope="module")
def metrics(started_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    targets = [
        Target(started_world.admin(name), {"tier": "edge", "proxy": label}, "/stats/prometheus")
        for name, label in (("EDGE_1", "edge-1"), ("EDGE_2", "edge-2"))
    ]
    with prometheus(tmp_path_factory.mktemp("prometheus"), targets=targets) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


def value(metrics: Prometheus, promql: str, **labels: str) -> float:
    """The one series with these labels; NaN where there is none."""
    found = [s for s in metrics.vector(promql, at=datetime.now(UTC)) if labels.items() <= s.labels.items()]
    assert len(found) <= 1, found
    return found[0].value if found else math.nan


def by_endpoint(metrics: Prometheus, promql: str, world: World) -> dict[str, float]:
    """The values of u's endpoints by the lab's names."""
    names = {f"127.0.0.1:{each['port']}": each["name"] for each in lab_endpoints(world, *TRIO)}
    found = metrics.vector(promql, at=datetime.now(UTC))
    return {
        names[s.labels["envoy_endpoint_address"]]: s.value
        for s in found
        if s.labels["envoy_cluster_name"] == "u" and s.labels["envoy_endpoint_address"] in names
    }


def said(metrics: Prometheus, slug: str, subject: str = "", **thresholds: float) -> str:
    """What the runbook makes of this moment, over these tests' window."""
    text = texts.built_in()[slug]
    assert text.definition is not None
    own = {**text.policy.thresholds, **thresholds}
    policy = replace(text.policy, lookback=WINDOW, stale_after=timedelta(seconds=5), thresholds=own)
    judge, answers = Judge(text.definition, policy), Answers(metrics, "edge", datetime.now(UTC))
    known = measure(answers, tier=selectors.base("edge"), definition=text.definition, policy=policy)
    return f"{judge.detect(known[subject])}: {judge.explain(known[subject])}"


def until(check: Callable[[], bool], what: str) -> None:
    wait_until(check, timeout=20, what=what, every=0.5)


@contextmanager
def asking(world: World, at_once: int = 4, **more: Any) -> Iterator[None]:
    """Requests to u.test for the length of the block."""
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            ask(world, "u.test", 10, pace=0.02, **more)

    with ThreadPoolExecutor(at_once) as pool:
        asked = [pool.submit(keep_asking) for _ in range(at_once)]
        try:
            yield
        finally:
            over.set()
    for each in asked:
        each.result()


def served(world: World, *names: str, **upstream: Any) -> None:
    one = {"name": "u", "endpoints": lab_endpoints(world, *names), **upstream}
    route = {"name": "u", "hosts": ["u.test"], "upstream": "u", "retry": {"attempts": 0}, "timeout": "1s"}
    serve(world, upstreams=[one], routes=[route])


def test_pinned_streams_stand_out_in_requests(world: World, metrics: Prometheus) -> None:
    served(world, *TRIO, lb_policy="maglev", hash_on={"source_ip": True})
    u = {"envoy_cluster_name": "u"}
    with asking(world):
        until(
            lambda: value(metrics, endpoints.request_skew(**EDGE), **u) > 2.9, "all requests at one of three"
        )
        until(lambda: said(metrics, "grpc-hotspot", "u").startswith("present: 127."), "a hotspot")
        shares = by_endpoint(metrics, endpoints.requests(**EDGE), world)
    assert set(shares) == set(TRIO)
    assert sorted(shares.values())[:2] == [0, 0]
    assert max(shares.values()) > 20
    assert value(metrics, endpoints.upstream_requests(**EDGE), **u) > 20


def test_a_slow_endpoint_stands_out_in_its_latency_and_gets_no_more_requests(
    world: World, metrics: Prometheus
) -> None:
    served(world, *TRIO, lb_policy="round_robin")
    world.fault("shop-v1-a", latency_ms=150)
    u = {"envoy_cluster_name": "u"}
    with asking(world, 8):
        until(lambda: value(metrics, endpoints.stream_skew(**EDGE), **u) > 1.8, "streams at the slow one")
        until(lambda: value(metrics, endpoints.slowness(**EDGE), **u) > 3, "it is slow")
        latency = by_endpoint(metrics, endpoints.latency(**EDGE), world)
        until(lambda: value(metrics, endpoints.request_skew(**EDGE), **u) < 1.3, "requests that are even")
        until(lambda: "not pinned" in said(metrics, "grpc-hotspot", "u"), "slow, and not pinned")
        # Little's law, of an endpoint and of the tier: one of three takes 150 ms.
        assert value(metrics, clients.age(**EDGE)) > 0.03
    assert max(latency, key=lambda name: latency[name]) == "shop-v1-a"
    assert latency["shop-v1-a"] > 0.1


def test_an_endpoint_that_fails_and_one_that_hangs_are_told(world: World, metrics: Prometheus) -> None:
    served(world, *TRIO, lb_policy="round_robin", outlier_detection={"enabled": False})
    world.fault("shop-v1-a", error_rate=1, status=500)
    world.fault("shop-v1-b", latency_ms=1500)
    u = {"envoy_cluster_name": "u"}
    with asking(world, 8):
        until(lambda: value(metrics, endpoints.failed_share(**EDGE), **u) > 0.6, "two of three fail")
        until(lambda: value(metrics, endpoints.worst_share(**EDGE), **u) > 0.95, "one that fails all")
        until(lambda: said(metrics, "brownout", "u").startswith("present: 127."), "a brownout")
        failed = by_endpoint(metrics, endpoints.failures(**EDGE), world)
        until(lambda: value(metrics, endpoints.timeouts(**EDGE), **u) > 0, "timeouts")
    assert failed["shop-v2-a"] == 0
    assert min(failed["shop-v1-a"], failed["shop-v1-b"]) > 0


def test_ejections_and_what_is_healthy_are_told(world: World, metrics: Prometheus) -> None:
    served(world, *TRIO, outlier_detection={"consecutive_failures": 3})
    world.fault("shop-v1-a", error_rate=1, status=503)
    u = {"envoy_cluster_name": "u"}
    with asking(world, 2):
        until(lambda: value(metrics, endpoints.ejected(tier="edge"), **u) == 1, "one is out")
    assert value(metrics, endpoints.healthy_share(tier="edge"), **u) == pytest.approx(2 / 3)


def test_a_full_pool_is_told_by_what_waits_and_what_is_refused(world: World, metrics: Prometheus) -> None:
    served(world, "payments-a", circuit_breaker={"max_connections": 1, "max_pending_requests": 2})
    world.fault("payments-a", latency_ms=300)
    u = {"envoy_cluster_name": "u"}
    with asking(world, 8):
        until(lambda: value(metrics, endpoints.overflowed(**EDGE), **u) > 5, "refused")
        until(lambda: 0.5 < value(metrics, endpoints.queued(**EDGE), **u) <= 2, "waiting")


def test_fresh_handshakes_are_told_from_resumed_ones(world: World, metrics: Prometheus) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    over = threading.Event()

    def keep_coming() -> None:
        while not over.wait(0.02):
            with (
                connected(world.ports["EDGE_1_HTTPS_PORT"]) as raw,
                context.wrap_socket(raw, server_hostname="shop.test"),
            ):
                pass

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(keep_coming)
        try:
            until(lambda: value(metrics, handshakes.fresh(**EDGE)) > 10, "fresh handshakes")
            until(lambda: value(metrics, handshakes.surge(**EDGE)) > 3, "a surge")
            # These clients take no proxy's whole processor.
            little: dict[str, Any] = {"busy": 0.001, "min_fresh": 5}
            storm = lambda: said(metrics, "handshake-storm", **little).startswith("present: edge-1")  # noqa: E731
            until(storm, "a storm")
        finally:
            over.set()
        coming.result()
    assert value(metrics, handshakes.failed_share(**EDGE)) < 0.5
    assert 0 < value(metrics, handshakes.busy(**EDGE)) < 1.5
    assert value(metrics, handshakes.workers(**EDGE)) == 2
    assert value(metrics, handshakes.cores(**EDGE)) >= value(metrics, handshakes.busy(**EDGE))


def test_handshakes_that_fail_are_told(world: World, metrics: Prometheus) -> None:
    def failing() -> bool:
        with suppress(requests.RequestException):
            requests.get(f"http://127.0.0.1:{world.ports['EDGE_1_HTTPS_PORT']}/", timeout=5)
        return value(metrics, handshakes.failed_share(**EDGE)) > 0

    until(failing, "failed handshakes")


def test_clients_that_drip_their_headers_hold_requests_that_no_backend_has(
    world: World, metrics: Prometheus
) -> None:
    drip = dripping(b"GET / HTTP/1.1\r\nHost: shop.test\r\nx-slow: ", b"a")
    world.wait_acked(world.apply({"limits": {"request_headers_timeout": "5s"}}))
    with ThreadPoolExecutor(1) as pool:
        attacking = pool.submit(attack, world.ports["EDGE_1_HTTP_PORT"], 30, drip)
        until(lambda: value(metrics, clients.connections(**EDGE)) >= 25, "connections")
        until(lambda: value(metrics, clients.unsent(**EDGE)) >= 20, "requests that are not sent yet")
        until(lambda: said(metrics, "slow-clients").startswith("present: "), "slow clients")
        attacking.result()
    until(lambda: value(metrics, clients.timed_out(**EDGE)) > 1, "requests that were cut")
    assert value(metrics, clients.ended(**EDGE)) > 1


def test_clients_that_drip_their_bodies_hold_requests(world: World, metrics: Prometheus) -> None:
    drip = dripping(b"POST / HTTP/1.1\r\nHost: payments.test\r\ncontent-length: 100000\r\n\r\n", b"a")
    world.wait_acked(world.apply({"limits": {"request_timeout": "6s"}}))
    with ThreadPoolExecutor(1) as pool:
        attacking = pool.submit(attack, world.ports["EDGE_1_HTTP_PORT"], 30, drip)
        until(lambda: value(metrics, clients.held(**EDGE)) >= 20, "requests that are held")
        attacking.result()
    until(lambda: value(metrics, clients.cut(**EDGE)) > 1, "requests that were cut")


def test_answers_that_nobody_reads_are_told(world: World, metrics: Prometheus) -> None:
    with backend() as port:
        declare(world, port, {"buffer_bytes": 16384, "per_connection_buffer_high_watermark_timeout": "8s"})
        slow = reading_nothing(b"GET /big HTTP/1.1\r\nHost: own.test\r\n\r\n", 10)
        with ThreadPoolExecutor(1) as pool:
            attacking = pool.submit(attack, world.ports["EDGE_1_HTTP_PORT"], 20, slow, window=4096)
            until(lambda: value(metrics, clients.unread(tier="edge")) >= 15, "answers that wait")
            until(lambda: value(metrics, clients.buffered(**EDGE)) > 100_000, "bytes that wait")
            attacking.result()


def test_connections_that_are_refused_are_told(world: World, metrics: Prometheus) -> None:
    world.wait_acked(world.apply({"limits": {"max_connections": 4}}))
    world.reconnect()
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(connected(world.ports["EDGE_2_HTTP_PORT"]))
        until(lambda: value(metrics, clients.refused(**EDGE)) > 0, "refused connections")
    assert value(metrics, clients.fullest(tier="edge")) >= 0
