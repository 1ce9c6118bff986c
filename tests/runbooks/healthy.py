"""The series that Envoys write in an hour that is well: mixed traffic, swings, deploys, the troubles of every day;
and in a few minutes that are not, one trouble each.

Made anew from one seed. What happens in the hour, by minute:

 0-60: one request in three hundred fails, some clients are slow, the latency of each endpoint is never quite the same
 5-10: load doubles at once, and falls again
15-18: a rolling deploy of the shop: one endpoint after the other is out for 30 s, and cold for 20 s more
25-27: one endpoint takes twice as long
30-31: a proxy restarts: its clients come to the other, and resume
40-50: load triples
52-53: many new clients: fresh handshakes double
55-57: a batch job uploads slowly, and some of its requests are cut
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.prometheus import History

STEP = 5
"""Seconds between two scrapes."""
BEFORE, HOUR = 35 * 60, 60 * 60
"""What is usual needs half an hour before the hour."""
PROXIES = ("edge-1", "edge-2")
SHOP = ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
UPSTREAMS = {"shop": SHOP, "greeter": ("10.0.1.1:80", "10.0.1.2:80")}
RATE = {"shop": 60.0, "greeter": 25.0}
ANSWER_SECONDS = {"shop": 0.04, "greeter": 0.02}
Labels = dict[str, str]
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Moment:
    """How it is at a moment. `speed` is how many times as long as usual an endpoint takes, 0 is out; `drawn` its
    share of the requests against the others'; `failing` the share that it fails.
    """

    load: float = 1.0
    share: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(PROXIES, 0.5))
    speed: Mapping[str, float] = field(default_factory=dict)
    drawn: Mapping[str, float] = field(default_factory=dict)
    failing: Mapping[str, float] = field(default_factory=dict)
    queued: float = 0.25
    timeouts: float = 0.0
    uploads: int = 1
    unsent: int = 0
    cut: float = 0.05
    fresh: float = 4.0
    returning: float = 0.0
    busy: float = 0.08


Course = Callable[[float], Moment]
"""How it is, by minute; below 0 is the half hour before."""


def well(minute: float) -> Moment:
    """The hour that is well."""
    load = 2.0 if 5 <= minute < 10 else 1 + (minute - 40) / 5 if 40 <= minute < 50 else 1.0
    restarting = 30 <= minute < 30.5
    return Moment(
        load=3.0 if 50 <= minute < 54 else load,
        share=dict(zip(PROXIES, (0.0, 1.0) if restarting else (0.5, 0.5), strict=True)),
        speed={endpoint: _deployed(place, minute) for place, endpoint in enumerate(SHOP)},
        uploads=12 if 55 <= minute < 57 else 1,
        cut=0.5 if 55 <= minute < 57 else 0.05,
        fresh=8.0 if 52 <= minute < 53 else 4.0,
        returning=80.0 if restarting else 0.0,
    )


def _deployed(place: int, minute: float) -> float:
    since = (minute - 15) * 60 - 60 * place
    if 0 <= since < 30:
        return 0.0
    if 30 <= since < 50:
        return 2.5
    return 2.0 if place == 1 and 25 <= minute < 27 else 1.0


def suddenly(trouble: Moment) -> Course:
    """All is well until minute 0, and then it is like this."""
    return lambda minute: trouble if minute >= 0 else Moment()


PINNED = Moment(drawn={SHOP[0]: 1.0, SHOP[1]: 0.02, SHOP[2]: 0.02})
ONE_SLOW = Moment(speed={SHOP[0]: 12.0})
STORM = Moment(fresh=400.0, busy=1.7)
MORE_TRAFFIC = Moment(load=20.0)
SLOWLORIS = Moment(unsent=60, cut=6.0)
ONE_FAILS = Moment(failing={SHOP[0]: 0.9})
ALL_FAIL = Moment(failing=dict.fromkeys(SHOP, 0.9))
ALL_SLOW = Moment(speed=dict.fromkeys(SHOP, 20.0), queued=9.0, timeouts=1.0)
TROUBLES = {
    "pinned": PINNED,
    "one-slow": ONE_SLOW,
    "storm": STORM,
    "more-traffic": MORE_TRAFFIC,
    "slowloris": SLOWLORIS,
    "one-fails": ONE_FAILS,
    "all-fail": ALL_FAIL,
    "all-slow": ALL_SLOW,
}


@dataclass
class Counters:
    """Counters and gauges of a tier as they are scraped."""

    start: datetime
    draw: random.Random
    values: dict[Key, float] = field(default_factory=lambda: defaultdict(float))
    points: dict[Key, list[tuple[datetime, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, metric: str, by: float, labels: Labels, **more: str) -> None:
        self.values[metric, tuple(sorted({**labels, **more}.items()))] += by

    def put(self, metric: str, value: float, labels: Labels, **more: str) -> None:
        self.values[metric, tuple(sorted({**labels, **more}.items()))] = value

    def scrape(self, second: int) -> None:
        at = self.start + timedelta(seconds=second)
        for key, value in self.values.items():
            self.points[key].append((at, round(value, 3)))

    def history(self) -> Iterator[History]:
        for (metric, labels), points in self.points.items():
            yield History(metric, dict(labels), points)


def history(end: datetime, *, tier: str = "edge", course: Course = well, lasts: int = HOUR) -> list[History]:
    """The series of a tier up to `end`: so many seconds of the course, and what lies before."""
    counters = Counters(end - timedelta(seconds=BEFORE + lasts), random.Random(7))
    for second in range(0, BEFORE + lasts + 1, STEP):
        now = course((second - BEFORE) / 60)
        for proxy in PROXIES:
            _proxy(counters, {"tier": tier, "proxy": proxy}, now, now.share[proxy])
        counters.scrape(second)
    return list(counters.history())


def _proxy(counters: Counters, here: Labels, now: Moment, share: float) -> None:
    counters.put("up", 1, here)
    began = sum(_upstream(counters, here, now, name, share) for name in UPSTREAMS)
    _clients(counters, here, now, began)
    _tls(counters, here, now, share)
    busy = min(1.0, now.busy * share * now.load * counters.draw.uniform(0.8, 1.2))
    metric = "envoy_listener_manager_worker_dispatcher_loop_duration_us_sum"
    counters.add(metric, busy * STEP * 1e6, here, envoy_worker_id="worker_0")


def _upstream(counters: Counters, here: Labels, now: Moment, name: str, share: float) -> float:
    """The requests of one scrape's time to an upstream; returns how many."""
    cluster = {**here, "envoy_cluster_name": name}
    shares = {each: now.drawn.get(each, 1.0) for each in UPSTREAMS[name] if now.speed.get(each, 1.0)}
    mean, began, failed, held, seconds = RATE[name] * share * now.load * STEP, 0.0, 0.0, 0.0, 0.0
    for endpoint in UPSTREAMS[name]:
        expected = mean * shares.get(endpoint, 0.0) / sum(shares.values())
        got = max(0.0, counters.draw.gauss(expected, expected**0.5))
        took = ANSWER_SECONDS[name] * now.speed.get(endpoint, 1.0) * counters.draw.uniform(0.9, 1.3)
        fails = got * now.failing.get(endpoint, 1 / 300)
        _endpoint(counters, {**cluster, "envoy_endpoint_address": endpoint}, got, took, fails)
        began, failed, held = began + got, failed + fails, held + got * took / STEP
        seconds += got * took
    _answers(counters, here, name, began, failed)
    _pool(counters, cluster, now, held, len(shares))
    counters.add("envoy_cluster_upstream_rq_time_sum", 1000 * seconds, cluster)
    counters.add("envoy_cluster_upstream_rq_time_count", began, cluster)
    return began


def _pool(counters: Counters, cluster: Labels, now: Moment, held: float, healthy: int) -> None:
    name = cluster["envoy_cluster_name"]
    uploads = now.uploads if name == "shop" else 0
    counters.put("envoy_cluster_upstream_rq_active", held + uploads, cluster)
    counters.put(
        "envoy_cluster_upstream_rq_pending_active", now.queued * counters.draw.uniform(0, 2), cluster
    )
    counters.put("envoy_cluster_membership_healthy", healthy, cluster)
    counters.put("envoy_cluster_membership_total", len(UPSTREAMS[name]), cluster)
    counters.put("envoy_cluster_outlier_detection_ejections_active", 0, cluster)
    counters.add("envoy_cluster_upstream_rq_per_try_timeout", now.timeouts * STEP, cluster)
    for metric in ("upstream_rq_pending_overflow", "upstream_rq_retry_overflow"):
        counters.add(f"envoy_cluster_{metric}", 0, cluster)
    for metric in ("paused", "resumed"):
        counters.add(f"envoy_cluster_upstream_flow_control_{metric}_reading_total", held, cluster)


def _endpoint(counters: Counters, labels: Labels, got: float, took: float, fails: float) -> None:
    counters.add("envoy_cluster_endpoint_rq_total", got, labels)
    counters.add("envoy_cluster_endpoint_rq_error", fails, labels)
    held = got / STEP * took
    counters.put("envoy_cluster_endpoint_rq_active", max(0.0, counters.draw.gauss(held, held**0.5)), labels)
    counters.put("envoy_cluster_endpoint_cx_active", 8 if got else 0, labels)


def _answers(counters: Counters, here: Labels, name: str, began: float, failed: float) -> None:
    """Failed first attempts are tried again, and nearly all of those succeed."""
    route = {**here, "route": name, "arm": name}
    counters.add("envoy_sluice_rq", began, route, code="200", reason="backend")
    counters.add("envoy_sluice_attempt", began - failed, route, attempt="1", code="200", flags="-")
    counters.add("envoy_sluice_attempt", failed, route, attempt="1", code="503", flags="-")
    counters.add("envoy_sluice_attempt", failed * 0.95, route, attempt="2", code="200", flags="-")
    counters.add("envoy_sluice_attempt", failed * 0.05, route, attempt="2", code="503", flags="-")


def _clients(counters: Counters, here: Labels, now: Moment, began: float) -> None:
    manager = {**here, "envoy_http_conn_manager_prefix": "edge"}
    counters.add("envoy_http_downstream_rq_total", began, manager)
    counters.add("envoy_http_downstream_rq_completed", began, manager)
    held = began / STEP * 0.05 + now.uploads + now.unsent + counters.draw.choice((0, 1))
    counters.put("envoy_http_downstream_rq_active", held, manager)
    counters.add("envoy_sluice_rq", now.cut * STEP, here, route="shop", code="408", reason="slow_client")
    listener = {**here, "envoy_listener_address": "edge_https"}
    counters.put(
        "envoy_listener_downstream_cx_active", 200 * now.load + counters.draw.randint(-20, 20), listener
    )
    counters.add("envoy_listener_downstream_cx_overflow", 0, listener)


def _tls(counters: Counters, here: Labels, now: Moment, share: float) -> None:
    listener = {**here, "envoy_listener_address": "edge_https"}
    fresh, resumed = now.fresh * share * now.load, 12.0 * share * now.load + now.returning * share
    drawn = counters.draw.uniform(0.9, 1.1)
    counters.add("envoy_listener_ssl_handshake", (fresh + resumed) * STEP * drawn, listener)
    counters.add("envoy_listener_ssl_session_reused", resumed * STEP * drawn, listener)
    counters.add("envoy_listener_ssl_connection_error", 0.02 * STEP, listener)
    counters.add("envoy_listener_local_ratelimit_rate_limited", 0, listener)


def variants() -> dict[str, Course]:
    """Each trouble by the name of a tier that has it."""
    return {name: suddenly(trouble) for name, trouble in TROUBLES.items()}
