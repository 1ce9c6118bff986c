"""What to add to an Envoy that somebody else configures, so that its figures become exact.

The very loggers of a driven tier, as snippets for the places where they belong.
"""

from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import bootstrap, measuring

# The loggers write what a tier's switches and traffic ask for: of a foreign one the traffic is not known, so
# that it may be gRPC and go to several clusters.
_ANY = Tier.model_validate(
    {
        "name": "observed",
        "proxies": [{"name": "any", "http_port": 1, "https_port": 2, "admin_port": 3}],
        "upstreams": [
            {"name": name, "protocol": "http2", "endpoints": [{"port": 1}]} for name in ("any", "other")
        ],
        "routes": [{"name": "any", "hosts": ["any.test"], "split": {"any": 10000, "other": 0}}],
        "access_log": "off",
    }
)


def snippets() -> dict[str, dict[str, Any]]:
    """What belongs where, by the message of Envoy's that it is merged into."""
    return {
        "HttpConnectionManager": {"access_log": measuring.request_logs(_ANY)},
        "Router": {"upstream_log": measuring.attempt_logs(_ANY)},
        "VirtualHost": {"include_request_attempt_count": True},
        "Cluster": {"circuit_breakers": {"thresholds": [{"track_remaining": True}]}},
        "Bootstrap": bootstrap.observed(),
    }


PLACES = {
    "HttpConnectionManager": (
        "Into every HTTP connection manager that serves clients, beside the loggers that are there:"
        " what was answered, why, and the latency that the proxy added."
    ),
    "Router": (
        "Into the router filter's typed_config (envoy.extensions.filters.http.router.v3.Router):"
        " every attempt, so that no retry hides what the first one met."
    ),
    "VirtualHost": (
        "Into every virtual host: the attempt's number reaches the logger only by this header."
        " Give every route a `name` too: it is the `route` label."
    ),
    "Cluster": "Into every cluster, in the thresholds that are there: how full the pools are.",
    "Bootstrap": (
        "Into the bootstrap: buckets that are close around the latencies of interest, a flush as often as"
        " Prometheus scrapes, workers' busy time. The default tags must stay on."
    ),
}
"""Where each belongs and what for."""
