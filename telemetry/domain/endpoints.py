"""The PromQL of single endpoints: which of them gets the requests, which is slow, which fails.

From Envoy's own statistics of each endpoint (`per_endpoint_stats`), which count every attempt that is sent to
it. All proxies together: each sees its own part. Envoy has no latency by endpoint; it follows from what it
has, since what is in a system is its arrivals times the time that each stays (Little's law, L = l W).
"""

from datetime import timedelta

from telemetry.domain.catalogue import UPSTREAMS, USUAL, Scope, within
from telemetry.domain.promql import mean, rate, selector

CLUSTER, ENDPOINT = "envoy_cluster_name", "envoy_endpoint_address"
_BOTH = f"{CLUSTER}, {ENDPOINT}"


def requests(*, tier: Scope, window: timedelta) -> str:
    """Requests that each endpoint was sent, by upstream and endpoint."""
    return _summed(_rate("rq_total", tier, window), _BOTH)


def failures(*, tier: Scope, window: timedelta) -> str:
    """Requests that each endpoint failed: a 5xx, a reset or no answer in time. By upstream and endpoint."""
    return _summed(_rate("rq_error", tier, window), _BOTH)


def streams(*, tier: Scope, window: timedelta) -> str:
    """Requests in flight at each endpoint, on average; in HTTP/2 these are streams. By upstream, endpoint."""
    return _summed(_mean("rq_active", tier, window), _BOTH)


def connections(*, tier: Scope, window: timedelta) -> str:
    """Connections that the proxies have to each endpoint, on average. By upstream and endpoint."""
    return _summed(_mean("cx_active", tier, window), _BOTH)


def latency(*, tier: Scope, window: timedelta) -> str:
    """Seconds that a request takes at each endpoint, on average, by upstream and endpoint: W = L / l.

    No data of an endpoint that gets nothing. A stream that is older than the window makes it longer.
    """
    return f"{streams(tier=tier, window=window)} / ({requests(tier=tier, window=window)} > 0)"


def upstream_requests(*, tier: Scope, window: timedelta) -> str:
    """Requests that an upstream's endpoints were sent, by upstream."""
    return _summed(_rate("rq_total", tier, window), CLUSTER)


def failed_share(*, tier: Scope, window: timedelta) -> str:
    """The share of an upstream's requests that its endpoints failed, 0 to 1, by upstream."""
    failed = _summed(_rate("rq_error", tier, window), CLUSTER)
    return f"{failed} / ({upstream_requests(tier=tier, window=window)} > 0)"


def worst_share(*, tier: Scope, window: timedelta) -> str:
    """The share of requests that the worst endpoint of an upstream fails, 0 to 1, by upstream."""
    return f"max by ({CLUSTER}) ({_shares(tier, window)})"


def best_share(*, tier: Scope, window: timedelta) -> str:
    """The same of its best: where this is low and the worst is not, it is single endpoints that fail."""
    return f"min by ({CLUSTER}) ({_shares(tier, window)})"


def _shares(tier: Scope, window: timedelta) -> str:
    return f"{failures(tier=tier, window=window)} / ({requests(tier=tier, window=window)} > 0)"


def request_skew(*, tier: Scope, window: timedelta) -> str:
    """How many times the mean the busiest endpoint of an upstream gets, in requests, by upstream.

    1 is even; n is everything to one of n. A slow endpoint does not raise it, since requests are sent to it
    no more often: that is what tells pinning from slowness.
    """
    return _skew(requests(tier=tier, window=window))


def stream_skew(*, tier: Scope, window: timedelta) -> str:
    """The same in requests in flight: pinned or slow, the endpoint that has more of them stands out (F7)."""
    return _skew(streams(tier=tier, window=window))


def connection_skew(*, tier: Scope, window: timedelta) -> str:
    """The same in connections: where these are uneven too, requests go by connection."""
    return _skew(connections(tier=tier, window=window))


def slowness(*, tier: Scope, window: timedelta) -> str:
    """How many times as long a request takes at the slowest endpoint as at the fastest, by upstream."""
    each = latency(tier=tier, window=window)
    return f"max by ({CLUSTER}) ({each}) / (min by ({CLUSTER}) ({each}) > 0)"


def answer_time(*, tier: Scope, window: timedelta) -> str:
    """Seconds from a request's end to its answer's end at the backend, on average, by upstream.

    Envoy's own measure, of answers that came to their end: what hangs is not in it, and neither is the time
    that a slow client takes to send its request.
    """
    return _answer_time(tier, window)


def answer_time_surge(*, tier: Scope, window: timedelta) -> str:
    """How many times as long as usual an upstream takes for its answers, by upstream.

    What is usual is the mean of the half hour before the window, of the upstream itself.
    """
    return f"({_answer_time(tier, window)}) / ({_answer_time(tier, USUAL, offset=window)} > 0)"


def _answer_time(tier: Scope, window: timedelta, *, offset: timedelta | None = None) -> str:
    took, number = (
        _summed(
            rate(f"envoy_cluster_upstream_rq_time_{what}", window, *within(tier), UPSTREAMS, offset=offset),
            CLUSTER,
        )
        for what in ("sum", "count")
    )
    return f"{took} / 1000 / ({number} > 0)"


def ejected(*, tier: Scope) -> str:
    """Endpoints that outlier detection leaves out now, on the proxy that leaves out the most, by upstream."""
    return _most("outlier_detection_ejections_active", tier)


def ejections_refused(*, tier: Scope, window: timedelta) -> str:
    """Ejections that did not happen since `max_ejection_percent` were out already, by upstream."""
    return _of_clusters("outlier_detection_ejections_overflow", tier, window)


def healthy_share(*, tier: Scope) -> str:
    """The share of an upstream's endpoints that take requests, 0 to 1, on the proxy that sees the fewest."""
    found = selector("envoy_cluster_membership_healthy", *within(tier), UPSTREAMS)
    every = selector("envoy_cluster_membership_total", *within(tier), UPSTREAMS)
    return f"min by ({CLUSTER}) ({found} / ({every} > 0))"


def queued(*, tier: Scope, window: timedelta) -> str:
    """Requests that wait for a connection, on average, by upstream: all proxies together."""
    gauge = mean("envoy_cluster_upstream_rq_pending_active", window, *within(tier), UPSTREAMS)
    return _summed(gauge, CLUSTER)


def overflowed(*, tier: Scope, window: timedelta) -> str:
    """Requests that the circuit breakers refused with a fast 503, by upstream."""
    return _of_clusters("upstream_rq_pending_overflow", tier, window)


def shed(*, tier: Scope, window: timedelta) -> str:
    """Requests that maintenance mode refused with a fast 503, by upstream."""
    return _of_clusters("upstream_rq_maintenance_mode", tier, window)


def timeouts(*, tier: Scope, window: timedelta) -> str:
    """Attempts that took longer than they may, by upstream."""
    return _of_clusters("upstream_rq_per_try_timeout", tier, window)


def _rate(metric: str, tier: Scope, window: timedelta) -> str:
    return rate(f"envoy_cluster_endpoint_{metric}", window, *within(tier), UPSTREAMS)


def _mean(metric: str, tier: Scope, window: timedelta) -> str:
    return mean(f"envoy_cluster_endpoint_{metric}", window, *within(tier), UPSTREAMS)


def _of_clusters(metric: str, tier: Scope, window: timedelta) -> str:
    return _summed(rate(f"envoy_cluster_{metric}", window, *within(tier), UPSTREAMS), CLUSTER)


def _most(metric: str, tier: Scope) -> str:
    return f"max by ({CLUSTER}) ({selector(f'envoy_cluster_{metric}', *within(tier), UPSTREAMS)})"


def _summed(each: str, labels: str) -> str:
    return f"sum by ({labels}) ({each})"


def _skew(each: str) -> str:
    return f"max by ({CLUSTER}) ({each}) / (avg by ({CLUSTER}) ({each}) > 0)"
