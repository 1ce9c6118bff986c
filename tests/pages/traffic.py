"""Traffic as two proxies would report it, for a real Prometheus: half an hour of the past and the present."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp

from tests.support.prometheus import History, Target

PAST = timedelta(minutes=32)
STEP = timedelta(seconds=5)
PROXIES = ("edge-1", "edge-2")
EDGES = (100, 250, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000)
Row = tuple[str, dict[str, str], float]


class Traffic:
    """Counters as functions of time. `broken_since` is when shop-v2 began to fail 30 % of its requests."""

    def __init__(self, began: datetime, broken_since: datetime | None) -> None:
        self.began = began
        self.broken_since = broken_since

    def rows(self, at: datetime) -> Iterator[Row]:
        """What one proxy exposes at a time, without the labels that Prometheus adds."""
        passed = (at - self.began).total_seconds()
        broken = max(0.0, (at - self.broken_since).total_seconds()) if self.broken_since else 0.0
        for route, arm, rate in (
            ("shop", "shop-v1", 38.0),
            ("shop", "shop-v2", 2.0),
            ("payments", "payments", 12.0),
        ):
            bad = rate * 0.3 * broken if arm == "shop-v2" else 0.0
            yield from _requests(route, arm, rate * passed, bad)
        yield "envoy_listener_ssl_handshake", {"envoy_listener_address": "https"}, 3.0 * passed
        yield "envoy_listener_ssl_session_reused", {"envoy_listener_address": "https"}, 2.4 * passed
        yield "envoy_listener_ssl_connection_error", {"envoy_listener_address": "https"}, 0.01 * passed
        yield "envoy_listener_downstream_cx_active", {"envoy_listener_address": "https"}, 18.0
        yield "envoy_server_memory_allocated", {}, 61 * 2.0**20
        worker = {"envoy_worker_id": "0"}
        yield "envoy_listener_manager_worker_dispatcher_loop_duration_us_sum", worker, 31_000 * passed
        for cluster, used in (("shop-v1", 6.0), ("shop-v2", 1.0), ("payments", 2.0)):
            yield from _pool(cluster, used, passed)

    def page(self, at: datetime) -> str:
        """The text that a scrape reads."""
        return "\n".join(
            [*(f"{name}{_labels(labels)} {value:.6f}" for name, labels, value in self.rows(at)), ""]
        )

    def history(self, until: datetime, *, instance: str) -> list[History]:
        """The past up to `until`, in the very series that a scrape of `instance` goes on with."""
        times = [until - PAST + STEP * n for n in range(int(PAST / STEP))]
        held: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[datetime, float]]] = {}
        for at in times:
            for name, labels, value in self.rows(at):
                held.setdefault((name, tuple(labels.items())), []).append((at, value))
        up = [(at, 1.0) for at in times]
        return [
            History(
                name,
                {
                    **dict(labels),
                    "tier": "edge",
                    "proxy": proxy,
                    "instance": instance,
                    "job": f"target-{place}",
                },
                points,
            )
            for place, proxy in enumerate(PROXIES)
            for (name, labels), points in [*held.items(), (("up", ()), up)]
        ]


def _requests(route: str, arm: str, total: float, bad: float) -> Iterator[Row]:
    base = {"route": route, "arm": arm}
    good = {**base, "code": "200", "flags": "-", "attempts": "1", "reason": "backend"}
    yield "envoy_sluice_rq", good, total - bad
    yield "envoy_sluice_rq", {**good, "code": "500"}, bad
    yield "envoy_sluice_attempt", {**base, "attempt": "1", "code": "200", "flags": "-"}, total - bad
    yield "envoy_sluice_attempt", {**base, "attempt": "1", "code": "500", "flags": "-"}, bad
    for name, scale in (("envoy_sluice_added_us_bucket", 260.0), ("envoy_sluice_total_us_bucket", 2600.0)):
        for edge in EDGES:
            share = 1 - exp(-edge / scale)
            yield name, {**base, "attempts": "1", "le": str(edge)}, total * share
        yield name, {**base, "attempts": "1", "le": "+Inf"}, total


def _pool(cluster: str, used: float, passed: float) -> Iterator[Row]:
    labels = {"envoy_cluster_name": cluster}
    yield "envoy_cluster_upstream_rq_retry", labels, 0.05 * passed
    yield "envoy_cluster_upstream_rq_retry_overflow", labels, 0.0
    for kind, left in (("cx", 256.0), ("rq", 512.0), ("pending", 64.0)):
        active = "upstream_rq_pending_active" if kind == "pending" else f"upstream_{kind}_active"
        yield f"envoy_cluster_{active}", labels, 0.0 if kind == "pending" else used
        yield f"envoy_cluster_circuit_breakers_default_remaining_{kind}", labels, left - used


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


class Exporter:
    """Serves the traffic's page to a scrape; an address stands for both proxies."""

    def __init__(self, traffic: Traffic) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = traffic.page(datetime.now(UTC)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a scrape a second is not worth a line."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def targets(self) -> list[Target]:
        return [Target(self.address, {"tier": "edge", "proxy": proxy}) for proxy in PROXIES]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
