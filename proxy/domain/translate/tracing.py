"""Trace context, made or passed on, and spans to a collector."""

from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import companions

COLLECTOR = "sluice_otlp"
CONTEXT_HEADERS = ("traceparent", "tracestate")


def tracing(tier: Tier) -> dict[str, Any]:
    """The connection manager's fields: none where tracing is off."""
    if not tier.tracing.enabled:
        return {}
    return {
        "tracing": {
            "random_sampling": {"value": tier.tracing.sampling},
            "custom_tags": [
                {"tag": "sluice.tier", "literal": {"value": tier.name}},
                {"tag": "sluice.route", "value": "%ROUTE_NAME%"},
                # In place of Envoy's own, which holds the query: it may be a secret.
                {"tag": "http.url", "value": "%REQ(:SCHEME)%://%REQ(:AUTHORITY)%%PATH(NQ:ORIG_OR_PATH)%"},
            ],
            "provider": _provider(tier),
        }
    }


def clusters(tier: Tier) -> list[dict[str, Any]]:
    """The collector. Where none is declared it has no endpoint: Envoy makes no trace context without a place
    to send spans to, so they go nowhere.
    """
    if not tier.tracing.enabled:
        return []
    otlp = tier.tracing.otlp
    return [companions.cluster(COLLECTOR, [(otlp.address, otlp.port)] if otlp else [])]


def untrusted(tier: Tier) -> tuple[str, ...]:
    """Headers that are taken from clients' requests before anything reads them."""
    return () if tier.tracing.trust_clients else CONTEXT_HEADERS


def _provider(tier: Tier) -> dict[str, Any]:
    return {
        "name": "envoy.tracers.opentelemetry",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
            "service_name": tier.name,
            "grpc_service": {"envoy_grpc": {"cluster_name": COLLECTOR}, "timeout": "0.5s"},
        },
    }
