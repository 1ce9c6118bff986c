"""The PromQL of every indicator, one function each. A page shows the text that these return.

Names and labels are those of the proxies' stats access loggers (`envoy_sluice_*`) and of Envoy itself.
`envoy_cluster_upstream_rq_xx` is never used for availability: it counts Envoy's own 503 and 504 too.
Rates are per second over `window`; `route=None` means every route of the tier, by route.
"""

from datetime import timedelta

from telemetry.domain.failure import Matchers, Originator, failed_attempts, failed_requests
from telemetry.domain.promql import duration, equal, not_matching, rate, selector, unequal

REQUESTS = "envoy_sluice_rq"
ATTEMPTS = "envoy_sluice_attempt"
ADDED = "envoy_sluice_added_us_bucket"
TOTAL = "envoy_sluice_total_us_bucket"

# A client that left has no answer to be good or bad.
ANSWERED = unequal("reason", "client_gone")
FIRST = equal("attempt", "1")
# Envoy's own ways to Sluice and its companions are clusters too, and no upstreams: none has an underscore.
UPSTREAMS = not_matching("envoy_cluster_name", "sluice_.*")
# The admin interface over TLS is a listener too, and serves no client.
CLIENTS = unequal("envoy_listener_address", "sluice_admin")

# Nor does the connection manager of the admin interface.
MANAGERS = not_matching("envoy_http_conn_manager_prefix", "admin|sluice_.*")

USUAL = timedelta(minutes=30)
"""So far back lies what is usual, where a figure is compared with its own past before its window."""

# How many of the worst are asked for where only the worst is told.
WORST = 50

Scope = str | Matchers
"""A tier's name, which its proxies' series bear, or the matchers that find the series of an observed one."""


def within(tier: Scope) -> Matchers:
    """The matchers of a tier's series."""
    return (equal("tier", tier),) if isinstance(tier, str) else tier


def _where(tier: Scope, route: str | None) -> list[str]:
    # Requests that no route took bear an empty route: they belong to no route's figures.
    return [*within(tier), unequal("route", "") if route is None else equal("route", route)]


def _rates(metric: str, window: timedelta, where: list[str], ways: tuple[Matchers, ...]) -> str:
    """The rates of the series that meet any of `ways`; a series that meets two is there once."""
    return " or ".join(rate(metric, window, *where, *way) for way in ways)


def _or_zero(bad: str, total: str, labels: str) -> str:
    """A missing error series is 0, but only where there is a total; elsewhere it stays no data."""
    return f"{bad} or on ({labels}) (0 * {total})"


def requests(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """Requests that got an answer, by route."""
    return f"sum by (route) ({rate(REQUESTS, window, *_where(tier, route), ANSWERED)})"


def errors(*, tier: Scope, window: timedelta, originator: Originator, route: str | None = None) -> str:
    """Failures by route that the `originator` made; 0 where there are requests (M2)."""
    rates = _rates(REQUESTS, window, _where(tier, route), failed_requests(originator))
    bad = f"sum by (route) ({rates})"
    return _or_zero(bad, requests(tier=tier, window=window, route=route), "route")


def error_reasons(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """Failures by route and reason; the reason `backend` is the backend's own."""
    ways = (*failed_requests("backend"), *failed_requests("proxy"))
    return f"sum by (route, reason) ({_rates(REQUESTS, window, _where(tier, route), ways)}) > 0"


def faults(*, window: timedelta) -> str:
    """Failures of every tier by route, backend, reason and code: what a page of an objective names."""
    ways = (*failed_requests("backend"), *failed_requests("proxy"))
    rates = _rates(REQUESTS, window, [unequal("route", "")], ways)
    return f"sum by (tier, route, arm, reason, code) ({rates}) > 0"


def worst_routes(*, tier: Scope, window: timedelta, originator: Originator) -> str:
    """The routes of which the `originator` fails the largest share, 0 to 1; those without failures are none.

    A few, whatever their number: a page that names one thing need not read a thousand.
    """
    bad = errors(tier=tier, window=window, originator=originator)
    return f"topk({WORST}, ({bad}) / {requests(tier=tier, window=window)} > 0)"


def worst_reasons(*, tier: Scope, window: timedelta) -> str:
    """The most frequent failures by route and reason."""
    return f"topk({WORST}, {error_reasons(tier=tier, window=window)})"


def worst_first_attempts(*, tier: Scope, window: timedelta) -> str:
    """The routes and arms of which the largest share of first attempts fails, 0 to 1 (M7)."""
    bad = first_attempt_errors(tier=tier, window=window)
    return f"topk({WORST}, ({bad}) / {first_attempts(tier=tier, window=window)} > 0)"


def codes(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """Answers by route and status code (M6)."""
    return f"sum by (route, code) ({rate(REQUESTS, window, *_where(tier, route), ANSWERED)})"


def added_latency(*, tier: Scope, window: timedelta, quantile: float, route: str | None = None) -> str:
    """Microseconds that the proxy added to a request, by route (M1).

    The proxies measure proxy time minus upstream time per request, so this is a quantile of differences
    and never a difference of quantiles. One attempt only: a failed attempt's time is the backend's.
    """
    buckets = rate(ADDED, window, *_where(tier, route), equal("attempts", "1"))
    return f"histogram_quantile({quantile:g}, sum by (le, route) ({buckets}))"


def added_latency_buckets(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """Requests in the window at or under each edge of added latency, by route and `le`."""
    found = selector(ADDED, *_where(tier, route), equal("attempts", "1"))
    return f"sum by (le, route) (increase({found}[{duration(window)}]))"


def total_latency(*, tier: Scope, window: timedelta, quantile: float, route: str | None = None) -> str:
    """Microseconds from the first byte of a request to the last of its answer, by route (M6)."""
    buckets = rate(TOTAL, window, *_where(tier, route))
    return f"histogram_quantile({quantile:g}, sum by (le, route) ({buckets}))"


def first_attempts(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """First attempts by route and arm, without those whose client left (code 0 and no flag) (M7)."""
    where = _where(tier, route)
    every = rate(ATTEMPTS, window, *where, FIRST)
    gone = rate(ATTEMPTS, window, *where, FIRST, equal("code", "0"), equal("flags", "-"))
    return f"sum by (route, arm) ({every} unless {gone})"


def first_attempt_errors(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """First attempts that failed, by route and arm, which retries cannot mask (M7).

    A failed answer, or none for a reason that Envoy flagged.
    """
    bad = _failed_attempts(FIRST, tier=tier, window=window, route=route)
    return _or_zero(bad, first_attempts(tier=tier, window=window, route=route), "route, arm")


def retries(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """Attempts after the first, by route and arm; 0 where there are first attempts (M5)."""
    again = rate(ATTEMPTS, window, *_where(tier, route), unequal("attempt", "1"))
    firsts = first_attempts(tier=tier, window=window, route=route)
    return _or_zero(f"sum by (route, arm) ({again})", firsts, "route, arm")


def failed_retries(*, tier: Scope, window: timedelta, route: str | None = None) -> str:
    """Retries that failed too, by route and arm: they cost the backend and heal nothing (M5)."""
    bad = _failed_attempts(unequal("attempt", "1"), tier=tier, window=window, route=route)
    return _or_zero(bad, first_attempts(tier=tier, window=window, route=route), "route, arm")


def _failed_attempts(which: str, *, tier: Scope, window: timedelta, route: str | None) -> str:
    rates = _rates(ATTEMPTS, window, [*_where(tier, route), which], failed_attempts())
    return f"sum by (route, arm) ({rates})"


def retries_by_upstream(*, tier: Scope, window: timedelta) -> str:
    """Retries that each upstream's pool sent (M5)."""
    return _by_upstream("envoy_cluster_upstream_rq_retry", tier, window)


def retry_budget_exhaustion(*, tier: Scope, window: timedelta) -> str:
    """Retries that the upstream's budget refused: exhaustion events (M5)."""
    return _by_upstream("envoy_cluster_upstream_rq_retry_overflow", tier, window)


def _by_upstream(metric: str, tier: Scope, window: timedelta) -> str:
    return f"sum by (envoy_cluster_name) ({rate(metric, window, *within(tier), UPSTREAMS)})"


def pool_saturation(*, tier: Scope, resource: str) -> str:
    """The share of a pool in use, 0 to 1, by upstream, on the proxy where it is fullest (M3).

    `resource` is `connections`, `requests` or `pending`. The limit is what is used plus what remains, so a
    limit that was changed a second ago is the one that counts.
    """
    used, left = {
        "connections": ("upstream_cx_active", "remaining_cx"),
        "requests": ("upstream_rq_active", "remaining_rq"),
        "pending": ("upstream_rq_pending_active", "remaining_pending"),
    }[resource]
    active = selector(f"envoy_cluster_{used}", *within(tier), UPSTREAMS)
    remaining = selector(f"envoy_cluster_circuit_breakers_default_{left}", *within(tier), UPSTREAMS)
    return f"max by (envoy_cluster_name) ({active} / ({active} + {remaining}))"


def active_connections(*, tier: Scope) -> str:
    """Client connections open now, by proxy (M3). The admin listener has series of its own."""
    return f"sum by (proxy) ({selector('envoy_listener_downstream_cx_active', *within(tier), CLIENTS)})"


def peak_requests(*, tier: Scope, window: timedelta) -> str:
    """The most requests in flight at one proxy at once in the window, by the minute (P2)."""
    active = f"sum by (proxy) ({selector('envoy_http_downstream_rq_active', *within(tier), MANAGERS)})"
    return f"max(max_over_time(({active})[{duration(window)}:1m]))"


def worker_busy(*, tier: Scope, window: timedelta) -> str:
    """The busiest worker's share of time in its event loop, 0 to 1, by proxy (M3)."""
    metric = "envoy_listener_manager_worker_dispatcher_loop_duration_us_sum"
    return f"max by (proxy) ({rate(metric, window, *within(tier))}) / 1e6"


def memory(*, tier: Scope) -> str:
    """Bytes that a proxy's heap holds, by proxy (M3)."""
    return f"max by (proxy) ({selector('envoy_server_memory_allocated', *within(tier))})"


def pressure(*, tier: Scope, monitor: str) -> str:
    """How much of a limit is used, in percent, on the proxy where it is most (M3); `monitor` is Envoy's."""
    metric = f"envoy_overload_envoy_resource_monitors_{monitor}_pressure"
    return f"max({selector(metric, *within(tier))})"


def tls_handshakes(*, tier: Scope, window: timedelta) -> str:
    """TLS handshakes that succeeded, resumed ones included (M4)."""
    return f"sum({rate('envoy_listener_ssl_handshake', window, *within(tier), CLIENTS)})"


def tls_failures(*, tier: Scope, window: timedelta) -> str:
    """TLS handshakes that failed (M4)."""
    return f"sum({rate('envoy_listener_ssl_connection_error', window, *within(tier), CLIENTS)})"


def tls_resumption(*, tier: Scope, window: timedelta) -> str:
    """The share of handshakes that resumed a session, 0 to 1; NaN without a handshake (M4)."""
    return f"{tls_resumed(tier=tier, window=window)} / {tls_handshakes(tier=tier, window=window)}"


def tls_resumed(*, tier: Scope, window: timedelta) -> str:
    """TLS handshakes that resumed a session (M4)."""
    return f"sum({rate('envoy_listener_ssl_session_reused', window, *within(tier), CLIENTS)})"


def tier_requests(*, tier: Scope, window: timedelta) -> str:
    """Requests of all routes that got an answer."""
    return f"sum({rate(REQUESTS, window, *_where(tier, None), ANSWERED)})"


def tier_errors(*, tier: Scope, window: timedelta, originator: Originator) -> str:
    """Failures of all routes that the `originator` made; 0 where there are requests."""
    bad = f"sum({_rates(REQUESTS, window, _where(tier, None), failed_requests(originator))})"
    return _or_zero(bad, tier_requests(tier=tier, window=window), "")


def tier_added_latency(*, tier: Scope, window: timedelta, quantile: float) -> str:
    """Microseconds that the proxies added to a request, all routes together."""
    buckets = rate(ADDED, window, *_where(tier, None), equal("attempts", "1"))
    return f"histogram_quantile({quantile:g}, sum by (le) ({buckets}))"


def route_resolution(*, tier: Scope, window: timedelta, quantile: float) -> str:
    """Microseconds that a proxy takes to find a request's route, as Envoy measures it."""
    buckets = rate("envoy_http_downstream_rq_route_resolution_time_us_bucket", window, *within(tier))
    return f"histogram_quantile({quantile:g}, sum by (le) ({buckets}))"


def tier_reasons(*, tier: Scope, window: timedelta) -> str:
    """Failures of all routes by reason; the reason `backend` is the backends' own."""
    ways = (*failed_requests("backend"), *failed_requests("proxy"))
    return f"sum by (reason) ({_rates(REQUESTS, window, _where(tier, None), ways)})"


def proxies_up(*, tier: Scope) -> str:
    """1 or 0 by proxy: whether its last scrape worked."""
    return f"max by (proxy) ({selector('up', *within(tier))})"


def scrape_age(*, tier: Scope) -> str:
    """Seconds since the last scrape, by proxy, of the proxies that answer."""
    up = selector("up", *within(tier))
    # timestamp() gives a sample's own time only for a plain selector.
    return f"max by (proxy) (time() - timestamp({up}) and {up} == 1)"
