"""Hedges: a second attempt while the first still runs, and first attempts counted right all the same.

Envoy hedges when its per-try timeout is over, whatever the request: the conditions of retries say nothing to
it. So hedging is asked for by each request's own headers, which only what may be sent twice gets; all others
keep the route's plain limit.

A hedge breaks two things that first attempts are counted by. The attempt number is read from a request header
that all attempts share, so that the overtaken first attempt would read 2: the first attempt writes down when
it began, and whoever began no later is the first. And a slow attempt bears UT though it may have answered, or
have been overtaken: neither failed, and both are logged without the flag. Code 0 without a flag is an attempt
of which nobody knows how it would have ended; it is left out, as where a client left.
"""

from typing import Any

from proxy.domain.tier import Route, Tier, seconds
from proxy.domain.tier.mirrors import IDEMPOTENT_METHODS
from proxy.domain.translate import kinds
from proxy.domain.translate.retries import IDEMPOTENCY_KEY

FILTER = "sluice.hedge"
UPSTREAM_FILTER = "sluice.first-attempt"
_BEGAN = "x-sluice-first-attempt"
_LIMIT = "x-sluice-attempt-limit"

# Microseconds since 1970, in the form of a duration, which CEL can compare.
_NOTE_FIRST = f"""\
function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get("{_LIMIT}") ~= nil and headers:get("{_BEGAN}") == nil then
    headers:add("{_BEGAN}", handle:timestampString(EnvoyTimestampResolution.MICROSECOND) .. "us")
  end
end
"""
_UPSTREAM_TIMEOUT_BIT = 4  # UT among Envoy's response flags

_HEDGED = f"'{_BEGAN}' in request.headers"
_IS_FIRST = f"request.time - timestamp(0) <= duration(request.headers['{_BEGAN}'])"
ATTEMPT = f"%CEL({_HEDGED} && {_IS_FIRST} ? '1' : request.headers['x-envoy-attempt-count'])%"
"""The number of an attempt where some are hedged."""

SLOW_ONLY = (
    f"{_HEDGED} && response.flags == {_UPSTREAM_TIMEOUT_BIT}"
    f" && (has(response.code) || request.duration < duration(request.headers['{_LIMIT}']))"
)
"""CEL: an attempt that was slower than the hedge's delay, but neither failed nor took all of its time."""


def hedges(tier: Tier) -> bool:
    """Whether any route of the tier declares hedging."""
    return any(route.hedge is not None for route in tier.routes)


def filters(tier: Tier) -> list[dict[str, Any]]:
    """Just above the router, which does the hedging. It does nothing but on routes that hedge."""
    if not hedges(tier):
        return []
    nothing = kinds.extension(FILTER, "filters.http.header_mutation.v3.HeaderMutation")
    return [{**nothing, "disabled": True}]


def upstream_filters(tier: Tier) -> list[dict[str, Any]]:
    """Run in each attempt."""
    if not hedges(tier):
        return []
    return [
        kinds.extension(
            UPSTREAM_FILTER, "filters.http.lua.v3.Lua", default_source_code={"inline_string": _NOTE_FIRST}
        )
    ]


def per_route(route: Route) -> dict[str, Any]:
    """The headers that ask for a hedge, where the route has retries now: an overlay may have taken them."""
    if route.hedge is None or not route.retried:
        return {}
    safe = _may_be_sent_twice(route)
    after, limit = (round(time.total_seconds() * 1000) for time in (route.hedge.after, route.per_try_timeout))
    mutations = [
        _set("x-envoy-hedge-on-per-try-timeout", f"%CEL({safe} ? 'true' : 'false')%"),
        _set("x-envoy-upstream-rq-per-try-timeout-ms", f"%CEL({safe} ? '{after}' : '{limit}')%"),
        _set(_LIMIT, seconds(route.per_try_timeout)),
    ]
    message = "filters.http.header_mutation.v3.HeaderMutationPerRoute"
    return {FILTER: kinds.on_route(message, mutations={"request_mutations": mutations})}


def _may_be_sent_twice(route: Route) -> str:
    if route.idempotency == "always":
        return "true"
    methods = ", ".join(f"'{method}'" for method in IDEMPOTENT_METHODS)
    return f"(request.method in [{methods}] || '{IDEMPOTENCY_KEY}' in request.headers)"


def _set(name: str, value: str) -> dict[str, Any]:
    header = {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"append": header}
