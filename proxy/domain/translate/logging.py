"""Access logs: one JSON line a request, of which each route may ask for more or fewer.

No line holds a header that could bear a secret, nor, unless asked for, the query of a path.
"""

import json
from typing import Any

from proxy.domain.tier import RouteLog, Tier
from proxy.domain.translate import kinds, measuring


def lines(tier: Tier) -> list[dict[str, Any]]:
    """The loggers: one for all routes that say nothing of their own, and one for each other wish."""
    own: dict[RouteLog, list[str]] = {}
    for route in tier.routes:
        if route.access_log is not None:
            own.setdefault(route.access_log, []).append(route.name)
    others = f"!({_one_of([name for names in own.values() for name in names])})" if own else ""
    wishes: list[tuple[RouteLog, str]] = [(tier.access_log, others)]
    wishes += [(wish, _one_of(names)) for wish, names in own.items()]
    return [_logger(tier, wish, routes) for wish, routes in wishes if wish.which != "off"]


def _one_of(routes: list[str]) -> str:
    """CEL: whether the request went by one of these routes."""
    return f"xds.route_name in {json.dumps(routes)}"


def _logger(tier: Tier, wish: RouteLog, routes: str) -> dict[str, Any]:
    """`routes` is CEL, empty for all."""
    form = {"json_format": _fields(tier)}
    if tier.access_log.file is None:
        kind = ("envoy.access_loggers.stdout", "access_loggers.stream.v3.StdoutAccessLog")
        log = kinds.extension(*kind, log_format=form)
    else:
        kind = ("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog")
        log = kinds.extension(*kind, path=tier.access_log.file, log_format=form)
    wanted = _filter(wish, routes)
    return {**log, "filter": wanted} if wanted else log


def _filter(wish: RouteLog, routes: str) -> dict[str, Any] | None:
    failed = measuring.failed_expression()
    if wish.which == "errors":
        return measuring.filtered(f"({routes}) && ({failed})" if routes else failed)
    here = measuring.filtered(routes) if routes else None
    if wish.sampling == 100:
        return here
    some = {"or_filter": {"filters": [measuring.filtered(failed), _sampled(wish.sampling)]}}
    return {"and_filter": {"filters": [here, some]}} if here else some


def _sampled(percent: float) -> dict[str, Any]:
    share = {"numerator": round(percent * 10_000), "denominator": "MILLION"}
    drawn = {"percent_sampled": share, "use_independent_randomness": True}
    return {"runtime_filter": {"runtime_key": "sluice.access_log.sampled", **drawn}}


def _fields(tier: Tier) -> dict[str, str]:
    """Times in microseconds; what a request has not is null."""
    query = "WQ" if tier.access_log.query else "NQ"
    return {
        "at": "%START_TIME%",
        "tier": tier.name,
        "proxy": "%CEL(xds.node.id)%",
        "route": "%ROUTE_NAME%",
        "arm": "%UPSTREAM_CLUSTER_RAW%",
        "endpoint": "%UPSTREAM_HOST%",
        "protocol": "%PROTOCOL%",
        "method": "%REQ(:METHOD)%",
        "host": "%REQ(:AUTHORITY)%",
        "path": f"%PATH({query}:ORIG_OR_PATH)%",
        "code": "%RESPONSE_CODE%",
        "grpc": "%GRPC_STATUS_NUMBER%",
        "reason": f"%CEL({measuring.reason_expression(tier)})%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "ended": "%CONNECTION_TERMINATION_DETAILS%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "total_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
        "upstream_us": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
        "added_request_us": "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%",
        "added_response_us": "%COMMON_DURATION(US_RX_BEG:DS_TX_BEG:us)%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "client_address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "client": "%REQ(X-SLUICE-CLIENT)%",
        "client_certificate": "%DOWNSTREAM_PEER_SUBJECT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "trace_id": "%TRACE_ID%",
    }
