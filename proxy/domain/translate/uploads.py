"""How long a client may take to send its request, by route. Envoy knows one such time for a whole listener.

The listener has the longest of all. A route with a shorter one ends its requests, with 408, when they have
taken that and the route's `timeout` besides, which begins where the request ends: only a request that came
too slowly, or whose answer is older than its own time, is as old as that.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from proxy.domain.tier import Route, Tier, seconds


@dataclass(frozen=True, slots=True)
class Patience:
    """The tier's own time and the longest of all; `lasting` are upstreams whose streams may have no end."""

    usual: timedelta
    longest: timedelta
    lasting: frozenset[str]


def patience(tier: Tier) -> Patience:
    usual = tier.limits.request_timeout
    own = (route.request_timeout for route in tier.routes if route.request_timeout is not None)
    lasting = frozenset(upstream.name for upstream in tier.upstreams if upstream.protocol != "http1")
    return Patience(usual, max((usual, *own)), lasting)


def of_route(patience: Patience, route: Route) -> dict[str, Any]:
    """Nothing where the listener's time is the route's, or where a stream in both directions may last."""
    own = route.request_timeout or patience.usual
    if own >= patience.longest or route.upgrade or not patience.lasting.isdisjoint(route.split):
        return {}
    return {"max_stream_duration": {"max_stream_duration": seconds(own + route.timeout)}}
