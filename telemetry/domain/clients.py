"""The PromQL of what clients hold of a tier's proxies: connections, endless requests, unread answers."""

from datetime import timedelta

from telemetry.domain.catalogue import CLIENTS, MANAGERS, REQUESTS, UPSTREAMS, Scope, within
from telemetry.domain.promql import equal, mean, rate, selector

_TIMEOUTS = ("rq_header_timeout", "rq_timeout", "rq_idle_timeout", "rq_max_duration_reached")
"""Of a request: its headers, itself, a pause in it, and a route's shorter time for it."""


def connections(*, tier: Scope, window: timedelta) -> str:
    """Clients' connections, on average, all proxies together."""
    gauge = mean("envoy_listener_downstream_cx_active", window, *within(tier), CLIENTS)
    return f"sum({gauge})"


def fullest(*, tier: Scope) -> str:
    """The share of its connections that a proxy has taken, 0 to 1, on the proxy that is fullest."""
    name = "envoy_overload_envoy_resource_monitors_global_downstream_max_connections_pressure"
    return f"max({selector(name, *within(tier))}) / 100"


def held(*, tier: Scope, window: timedelta) -> str:
    """Requests that have begun and not ended, on average, all proxies together."""
    return f"sum({_mean('rq_active', tier, window)})"


def at_backends(*, tier: Scope, window: timedelta) -> str:
    """Those of them that a backend has, or that wait for a connection to one."""
    active = mean("envoy_cluster_upstream_rq_active", window, *within(tier), UPSTREAMS)
    pending = mean("envoy_cluster_upstream_rq_pending_active", window, *within(tier), UPSTREAMS)
    return f"sum({active}) + sum({pending})"


def unsent(*, tier: Scope, window: timedelta) -> str:
    """Requests whose clients have yet to send what must be there before a backend is asked: all but their
    bodies.
    """
    held_by_proxies, asked = held(tier=tier, window=window), at_backends(tier=tier, window=window)
    return f"clamp_min({held_by_proxies} - ({asked}), 0)"


def ended(*, tier: Scope, window: timedelta) -> str:
    """Requests that ended, one way or another."""
    return f"sum({_rate('rq_completed', tier, window)})"


def age(*, tier: Scope, window: timedelta) -> str:
    """Seconds that a request stays in the tier, on average: requests in it over arrivals (Little's law)."""
    came = f"sum({_rate('rq_total', tier, window)})"
    return f"{held(tier=tier, window=window)} / ({came} > 0)"


def timed_out(*, tier: Scope, window: timedelta) -> str:
    """Requests that were ended since their client was too slow to send them, or anything."""
    each = (f"sum({_rate(name, tier, window)})" for name in _TIMEOUTS)
    return " + ".join(each)


def cut(*, tier: Scope, window: timedelta) -> str:
    """Requests that were ended for their client's slowness, of whatever kind: the larger of two counts.

    Sluice's own knows slow readers too, but its series begins with the first of them, so that a burst is not
    seen; Envoy's are there from the start.
    """
    own = f"sum({rate(REQUESTS, window, *within(tier), equal('reason', 'slow_client'))})"
    envoys = timed_out(tier=tier, window=window)
    return f"({envoys} >= {own}) or {own} or {envoys}"


def unread(*, tier: Scope) -> str:
    """Answers that wait for their client to read: so many times more reading was paused than resumed."""
    paused = _flow("paused", tier)
    return f"clamp_min({paused} - {_flow('resumed', tier)}, 0)"


def buffered(*, tier: Scope, window: timedelta) -> str:
    """Bytes of answers that proxies hold for clients, on average, all proxies together."""
    return f"sum({_mean('cx_tx_bytes_buffered', tier, window)})"


def refused(*, tier: Scope, window: timedelta) -> str:
    """Connections that were refused since there were too many, all listeners and proxies together."""
    return f"sum({rate('envoy_listener_downstream_cx_overflow', window, *within(tier), CLIENTS)})"


def by_address(*, tier: Scope) -> str:
    """The connections of those clients that have the most, by client, where a tier caps them by address.

    The connection counters count them: one beside each proxy, or one for all.
    """
    return f"sum by (client) ({selector('sluice_connections_most_open', *within(tier))})"


def _mean(metric: str, tier: Scope, window: timedelta) -> str:
    return mean(f"envoy_http_downstream_{metric}", window, *within(tier), MANAGERS)


def _rate(metric: str, tier: Scope, window: timedelta) -> str:
    return rate(f"envoy_http_downstream_{metric}", window, *within(tier), MANAGERS)


def _flow(what: str, tier: Scope) -> str:
    metric = f"envoy_cluster_upstream_flow_control_{what}_reading_total"
    return f"sum({selector(metric, *within(tier), UPSTREAMS)})"
