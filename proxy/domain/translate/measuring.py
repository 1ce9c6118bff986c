"""The measurements, made by Envoy's own loggers: every request, every attempt, and the latency that the proxy
adds.

Origin: `reason="backend"` if and only if the backend made the answer (`response.code_details ==
'via_upstream'`). The response flags do not say so: a retry that the budget denied bears UO though the backend
sent the 503.
"""

from itertools import pairwise
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import hedging, kinds
from proxy.domain.translate.splits import CHOSEN
from telemetry.domain.failure import SERVER_FAULTS

BUCKETS_US = (
    50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000, 25000, 50000, 100000, 250000, 1000000,
)  # fmt: skip
"""Upper bounds of the latency histograms in microseconds: close around an objective of 1 to 3 ms."""

USUAL_BOUNDS = 2
"""So many of the bounds, from the lowest, hold what a proxy that is well adds to nearly every request."""

BUCKETS_MS = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
"""Of Envoy's own histograms, which count in milliseconds."""

# First branch first: most answers are the backend's, and each further comparison costs.
_REASONS = (
    ("response.code_details == 'via_upstream'", "backend"),
    # `overload_error:...` where the codec itself gave up under pressure.
    ("response.code_details.startsWith('overload')", "load_shed"),
    ("response.code_details == 'response_timeout'", "upstream_timeout"),
    ("response.code_details.startsWith('upstream_per_try')", "per_try_timeout"),
    # A 408 where the client was still sending: see `uploads`.
    ("response.code_details == 'max_duration_timeout' && response.code != 408", "max_stream_duration"),
    ("response.code_details == 'no_healthy_upstream'", "no_healthy_upstream"),
    (
        "response.code_details.endsWith('{overflow}') || response.code_details == 'maintenance_mode'",
        "circuit_open",
    ),
    (
        "response.code_details.contains('connection_failure')"
        " || response.code_details.contains('connection_timeout')"
        " || response.code_details.contains('connect_error')",
        "connect_failed",
    ),
    ("response.code_details.startsWith('upstream_reset')", "upstream_reset"),
    ("response.code_details == 'cluster_not_found'", "no_cluster"),
    ("response.code_details == 'route_not_found'", "no_route"),
    # A browser's question whether a page may ask is answered here too.
    (
        "response.code_details == 'direct_response' || response.code_details == 'cors_response'",
        "direct_response",
    ),
    # The answer itself was late: the client had sent its whole request.
    ("response.code_details == 'stream_idle_timeout' && response.code == 504", "upstream_timeout"),
    (
        "response.code_details == 'request_header_timeout' || response.code_details == 'stream_idle_timeout'"
        " || response.code_details == 'request_overall_timeout'"
        " || response.code_details == 'max_duration_timeout'"
        " || response.code_details.contains('buffer_high_watermark_timeout')",
        "slow_client",
    ),
    (
        "response.code_details.startsWith('downstream') || response.code_details.startsWith('http2.remote')",
        "client_gone",
    ),
    # Of a request, 413 or 431; of an answer that was to be changed, 500.
    ("response.code_details.contains('too_large')", "too_large"),
    (
        "response.code_details == 'local_rate_limited' || response.code_details == 'request_rate_limited'",
        "rate_limited",
    ),
    # The authority or the rate limit service gave no answer, and the request was not let through for it.
    (
        "response.code_details == 'ext_authz_error' || response.code_details == 'rate_limiter_error'",
        "authority_unavailable",
    ),
    (
        "response.code_details.startsWith('ext_authz') || response.code_details.startsWith('jwt_authn')"
        " || response.code_details.startsWith('rbac') || response.code_details.endsWith('_api_key')"
        " || response.code_details == 'client_not_allowed' || response.code_details == 'missing_key_sources'"
        " || response.code_details == 'missing_credentials'",
        "auth",
    ),
)
REASONS = (*dict.fromkeys(reason for _, reason in _REASONS), "other")

# However an upgraded connection ends, the backend's answer was the upgrade. One that it closes bears UC.
_UPGRADED = "has(response.code) && response.code == 101"
_ADDED = "request.duration - response.backend_latency"
_ARM = {"name": "arm", "value_format": "%UPSTREAM_CLUSTER_RAW%"}
_ROUTE = {"name": "route", "value_format": "%ROUTE_NAME%"}
_CODE = {"name": "code", "value_format": "%RESPONSE_CODE%"}
_FLAGS = {"name": "flags", "value_format": "%RESPONSE_FLAGS%"}
_ATTEMPTS = {"name": "attempts", "value_format": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}
# Not the operator above: in the router's log it is 0, always.
_ATTEMPT = {"name": "attempt", "value_format": "%REQ(x-envoy-attempt-count)%"}


def _transformed(how: str) -> dict[str, Any]:
    """A tag's action: what becomes of the series, or of the tag."""
    action = "matching.actions.transform_stat.v3.TransformStat"
    return {"action": kinds.extension(how, action, **{how: {}})}


def _tag(name: str, value: str, of: dict[str, Any], **otherwise: Any) -> dict[str, Any]:
    """A tag whose value decides: by the actions `of` some values, and `on_no_match`."""
    tag_value = kinds.extension("tag", "matching.common_inputs.stats.v3.StatTagValueInput")
    rules = {"matcher_tree": {"input": tag_value, "exact_match_map": {"map": of}}, **otherwise}
    return {"name": name, "value_format": value, "rules": rules}


def _unless_answered() -> dict[str, Any]:
    """A tag that keeps the series of what no backend answered, and is then gone itself."""
    answered = {"via_upstream": _transformed("drop_stat")}
    return _tag("details", "%RESPONSE_CODE_DETAILS%", answered, on_no_match=_transformed("drop_tag"))


def _unless_empty(name: str, value: str) -> dict[str, Any]:
    """A tag that is there where it says something.

    Without it a series is the one of a tier that does not write this tag. Were it there and empty, the two
    would be one to Prometheus but two to Envoy, and a proxy whose tier changes would tell them both.
    """
    return _tag(name, value, {"": _transformed("drop_tag")})


def _chosen() -> dict[str, Any]:
    """Requests that chose their arm themselves are no sample of the traffic: the judge leaves them out."""
    return _unless_empty("chosen", CHOSEN)


def _grpc() -> dict[str, Any]:
    """The status that a gRPC answer bore, in its trailers or, without a body, in its headers.

    Not GRPC_STATUS_NUMBER: without a status it says 2, so that a stream that its client ended would be told
    as a backend's UNKNOWN. Two digits, since a backend may send any text and labels are to be few.
    """
    return _unless_empty("grpc", "%RESP(grpc-status):2%%TRAILER(grpc-status):2%")


_SCOPE = {
    "prefix": "sluice",
    # Changes with the labels: the series with those of before go when their loggers go. To Prometheus they
    # might be the same as the new ones.
    "sharing_name": "sluice.2",
    "max_counters": 20000,
    "max_histograms": 2000,
    "enable_eviction": True,
}


def request_logs(tier: Tier) -> list[dict[str, Any]]:
    """The loggers of the connection manager that measure; those that write lines are `logging`'s."""
    return [_answered(tier), _unanswered(tier)]


def attempt_logs(tier: Tier) -> list[dict[str, Any]]:
    """The router's loggers: one count an attempt, so that a retry does not hide what the first one met."""
    hedges = hedging.hedges(tier)
    attempt = {**_ATTEMPT, "value_format": hedging.ATTEMPT} if hedges else _ATTEMPT
    innocent = [*([hedging.SLOW_ONLY] if hedges else []), *([_UPGRADED] if _upgrades(tier) else [])]
    tags = [_ROUTE, _ARM, attempt, _CODE, *_where_filled(tier)]
    if not innocent:
        return [_attempts([*tags, _FLAGS])]
    unflagged = {"name": "flags", "value_format": "-"}
    well = " || ".join(f"({way})" for way in innocent)
    return [
        {**_attempts([*tags, _FLAGS]), "filter": filtered(f"!({well})")},
        {**_attempts([*tags, unflagged]), "filter": filtered(well)},
    ]


def _where_filled(tier: Tier) -> list[dict[str, Any]]:
    """The tags that a backend's answer fills in some tiers only: each costs on every request."""
    speak_grpc = any(upstream.protocol != "http1" for upstream in tier.upstreams)
    return [*([_grpc()] if speak_grpc else []), *([_chosen()] if _splits(tier) else [])]


def _splits(tier: Tier) -> bool:
    """Whether an arm says more than its route does.

    Not whether an attribute chooses one: a connection that is older than that would not tell it.
    """
    return any(len(route.split) > 1 for route in tier.routes)


def _upgrades(tier: Tier) -> bool:
    return any(route.upgrade for route in tier.routes)


def _attempts(tags: list[dict[str, Any]]) -> dict[str, Any]:
    return _stats(counters=[_counter("attempt", tags)])


def reason_expression(tier: Tier) -> str:
    """CEL: from Envoy's unbounded details to one of REASONS."""
    first, *others = _REASONS
    upgraded = [(_UPGRADED, "backend")] if _upgrades(tier) else []
    expression = "'other'"
    for condition, reason in reversed([first, *upgraded, *others]):
        expression = f"{condition} ? '{reason}' : {expression}"
    return expression


def failed_expression() -> str:
    """CEL: whether the answer is a failure, told by HTTP or by gRPC."""
    faults = ", ".join(f"'{code}'" for code in SERVER_FAULTS)
    told = (
        f"('grpc-status' in response.{part} && response.{part}['grpc-status'] in [{faults}])"
        for part in ("trailers", "headers")
    )
    return " || ".join(["response.code >= 500", *told])


def added_expression(bounds: tuple[int, ...] = BUCKETS_US) -> str:
    """CEL: the middle of the bucket that the added latency of a request falls in, in microseconds.

    Added latency = the request's whole time minus the time that the backend had it. A logger's value is one
    substitution and CEL gives no number of microseconds, so the difference is compared with the bounds. Each
    comparison costs, so the bounds under which nearly all requests are come first, one by one: these take 1
    or 2, the others 6 at most. The middle, since a value on a bound falls into the next bucket.
    """
    usual, rare = bounds[:USUAL_BOUNDS], bounds[USUAL_BOUNDS:]
    expression = _bisect(rare, usual[-1], 2 * bounds[-1])
    for low, bound in reversed(list(pairwise((0, *usual)))):
        expression = f"({_ADDED} <= duration('{bound}us') ? {(low + bound) // 2} : {expression})"
    return expression


def _bisect(bounds: tuple[int, ...], low: int, high: int) -> str:
    """`bounds` lie strictly between `low` and `high`."""
    if not bounds:
        return str(high if high > BUCKETS_US[-1] else (low + high) // 2)
    place = len(bounds) // 2
    bound = bounds[place]
    below = _bisect(bounds[:place], low, bound)
    above = _bisect(bounds[place + 1 :], bound, high)
    return f"({_ADDED} <= duration('{bound}us') ? {below} : {above})"


def _answered(tier: Tier) -> dict[str, Any]:
    """The requests that a backend answered, and their times: the others lack the points in time."""
    by = [_ROUTE, *([_ARM, _chosen()] if _splits(tier) else [])]
    histograms = [_histogram("total_us", "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%", by)]
    if tier.exact_added_latency:
        histograms.append(_histogram("added_us", f"%TYPED_CEL({added_expression()})%", [*by, _ATTEMPTS]))
    else:
        # Its two halves, each of them exact; their percentiles do not add up to that of the whole.
        histograms += [
            _histogram("added_request_us", "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%", by),
            _histogram("added_response_us", "%COMMON_DURATION(US_RX_BEG:DS_TX_BEG:us)%", by),
        ]
    backend = {"name": "reason", "value_format": "backend"}
    counter = _counter("rq", [_ROUTE, _ARM, _CODE, backend, *_where_filled(tier)])
    logger = _stats(counters=[counter], histograms=histograms)
    return {**logger, "filter": filtered("response.code_details == 'via_upstream'")}


def _unanswered(tier: Tier) -> dict[str, Any]:
    """All other requests. The first tag decides and is not kept: unlike a filter it costs no CEL.

    How they ended says more than of a backend's answer, whose retries the attempts tell.
    """
    reason = {"name": "reason", "value_format": f"%CEL({reason_expression(tier)})%"}
    how = [_CODE, _FLAGS, _ATTEMPTS, reason, _grpc(), _chosen()]
    return _stats(counters=[_counter("rq", [_unless_answered(), _ROUTE, _ARM, *how])])


def filtered(expression: str) -> dict[str, Any]:
    """A logger's filter that is CEL."""
    extension = kinds.extension(
        "envoy.access_loggers.extension_filters.cel",
        "access_loggers.filters.cel.v3.ExpressionFilter",
        expression=expression,
    )
    return {"extension_filter": extension}


def _stats(**measures: Any) -> dict[str, Any]:
    return kinds.extension(
        "envoy.access_loggers.stats", "access_loggers.stats.v3.Config", stats_scope=_SCOPE, **measures
    )


def _counter(name: str, tags: list[dict[str, Any]]) -> dict[str, Any]:
    return {"stat": {"name": name, "tags": tags}, "value_fixed": 1}


def _histogram(name: str, value: str, tags: list[dict[str, str]]) -> dict[str, Any]:
    return {"unit": "Microseconds", "value_format": value, "stat": {"name": name, "tags": tags}}
