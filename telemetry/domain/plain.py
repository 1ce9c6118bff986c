"""The PromQL of an Envoy that writes only its own statistics, and what each figure from them is worth.

Names are those of Envoy's default tag extraction. What the built-in counters mix, and how the mix is taken
apart (all seen on Envoy 1.40, `tests/proxy/test_real_observed.py`):

`envoy_cluster_upstream_rq_xx` counts every answer to a request that a route sent to the cluster, Envoy's own
503 and 504 among them. `envoy_cluster_upstream_rq_time` takes one value a request that the backend answered
to the end, whatever its code. So answers minus values are the proxy's own, and the rest of the 5xx the
backend's.

A request that failed at last failed at first too, and one that a retry healed failed at first: first attempts
that failed are the 5xx plus `envoy_cluster_upstream_rq_retry_success`.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from telemetry.domain.failure import Matchers, Originator
from telemetry.domain.promql import equal, not_matching, rate, selector

CLUSTER = "envoy_cluster_name"
MANAGER = "envoy_http_conn_manager_prefix"
_FIVE = equal("envoy_response_code_class", "5")
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")


@dataclass(frozen=True, slots=True)
class Watched:
    """Which series are a fleet's: `matchers` find them, `proxy_label` tells its proxies apart.

    `managers` and `clusters` are those whose requests are no client's: the admin interface, a control plane.
    """

    matchers: Matchers
    proxy_label: str = "instance"
    managers: tuple[str, ...] = ("admin",)
    clusters: tuple[str, ...] = ()

    def served(self) -> Matchers:
        """Of connection managers that serve clients."""
        return (*self.matchers, *_but(MANAGER, self.managers))

    def sent(self) -> Matchers:
        """Of clusters that clients' requests go to."""
        return (*self.matchers, *_but(CLUSTER, self.clusters))


def _but(label: str, names: tuple[str, ...]) -> Matchers:
    expression = "|".join(_SPECIAL.sub(r"\\\1", name) for name in names)
    return (not_matching(label, expression),) if names else ()


def requests(watched: Watched, window: timedelta) -> str:
    """Answers that clients got, of any code: each is counted once, with retries or without."""
    return f"sum({rate('envoy_http_downstream_rq_xx', window, *watched.served())})"


def failed(watched: Watched, window: timedelta) -> str:
    """The 5xx that clients got, whoever made them."""
    return f"sum({rate('envoy_http_downstream_rq_xx', window, *watched.served(), _FIVE)})"


def answers(watched: Watched, window: timedelta) -> str:
    """Answers to requests that a route sent to the cluster, by cluster, Envoy's own included."""
    return f"sum by ({CLUSTER}) ({rate('envoy_cluster_upstream_rq_xx', window, *watched.sent())})"


def _fives(watched: Watched, window: timedelta) -> str:
    found = f"sum by ({CLUSTER}) ({rate('envoy_cluster_upstream_rq_xx', window, *watched.sent(), _FIVE)})"
    return f"({found} or 0 * {answers(watched, window)})"


def own_failures(watched: Watched, window: timedelta) -> str:
    """The 5xx that Envoy itself answered for a cluster, by cluster: an estimate from none to all 5xx.

    Answers minus those that the backend gave to the end.
    """
    whole = f"sum by ({CLUSTER}) ({rate('envoy_cluster_upstream_rq_time_count', window, *watched.sent())})"
    every = answers(watched, window)
    own = f"clamp_min({every} - ({whole} or 0 * {every}), 0)"
    return f"({own} < {_fives(watched, window)} or {_fives(watched, window)})"


def backend_failures(watched: Watched, window: timedelta) -> str:
    """The 5xx that backends made and that clients got, by cluster: estimated."""
    return f"({_fives(watched, window)} - {own_failures(watched, window)})"


def tier_failures(watched: Watched, window: timedelta, originator: Originator) -> str:
    """The same over all clusters; the proxy's also hold what it answered before it chose one."""
    backends = f"(sum({backend_failures(watched, window)}) or vector(0))"
    if originator == "backend":
        return f"{backends} + 0 * {requests(watched, window)}"
    none = f"(0 * {requests(watched, window)})"
    return f"clamp_min(({failed(watched, window)} or {none}) - {backends}, 0)"


def first_attempt_failures(watched: Watched, window: timedelta) -> str:
    """The share of first attempts that failed, 0 to 1, by cluster: estimated, see above."""
    healed = (
        f"sum by ({CLUSTER}) ({rate('envoy_cluster_upstream_rq_retry_success', window, *watched.sent())})"
    )
    every = answers(watched, window)
    return f"clamp_max(({_fives(watched, window)} + {healed}) / ({every} > 0), 1)"


def retries(watched: Watched, window: timedelta) -> str:
    """Retries by cluster."""
    return f"sum by ({CLUSTER}) ({rate('envoy_cluster_upstream_rq_retry', window, *watched.sent())})"


def retries_refused(watched: Watched, window: timedelta) -> str:
    """Retries that a budget or a limit of retries refused, by cluster."""
    metric = "envoy_cluster_upstream_rq_retry_overflow"
    return f"sum by ({CLUSTER}) ({rate(metric, window, *watched.sent())})"


def latency(watched: Watched, window: timedelta, quantile: float) -> str:
    """Microseconds from a request's first byte to the answer's last; measured in whole milliseconds."""
    buckets = rate("envoy_http_downstream_rq_time_bucket", window, *watched.served())
    return f"1000 * histogram_quantile({quantile:g}, sum by (le) ({buckets}))"


def cluster_latency(watched: Watched, window: timedelta, quantile: float) -> str:
    """Microseconds from a request's end to the backend's answer's, by cluster, retries included."""
    buckets = rate("envoy_cluster_upstream_rq_time_bucket", window, *watched.sent())
    return f"1000 * histogram_quantile({quantile:g}, sum by (le, {CLUSTER}) ({buckets}))"


def added_mean(watched: Watched, window: timedelta) -> str:
    """Microseconds that the proxy added on average: the difference of two averages, without quantiles."""
    client = f"sum({rate('envoy_http_downstream_rq_time_sum', window, *watched.served())})"
    backend = f"sum({rate('envoy_cluster_upstream_rq_time_sum', window, *watched.sent())})"
    count = f"sum({rate('envoy_http_downstream_rq_time_count', window, *watched.served())})"
    return f"1000 * ({client} - {backend}) / ({count} > 0)"


def connections(watched: Watched) -> str:
    """Client connections open now, by proxy."""
    found = selector("envoy_http_downstream_cx_active", *watched.served())
    return f"sum by ({watched.proxy_label}) ({found})"


def memory(watched: Watched) -> str:
    """Bytes of the heap, by proxy."""
    found = selector("envoy_server_memory_allocated", *watched.matchers)
    return f"max by ({watched.proxy_label}) ({found})"


def up(watched: Watched) -> str:
    """1 or 0 by proxy: whether its last scrape worked."""
    return f"max by ({watched.proxy_label}) ({selector('up', *watched.matchers)})"


def age(watched: Watched) -> str:
    """Seconds since the last scrape, by proxy, of those that answer."""
    found = selector("up", *watched.matchers)
    return f"max by ({watched.proxy_label}) (time() - timestamp({found}) and {found} == 1)"
