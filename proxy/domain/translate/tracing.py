"""Trace context, made or passed on, and spans to a collector."""

from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import companions, kinds

COLLECTOR = "sluice_otlp"
CONTEXT_HEADERS = ("traceparent", "tracestate")
_SAMPLERS = "tracers.opentelemetry.samplers.v3"


def tracing(tier: Tier) -> dict[str, Any]:
    """The connection manager's fields: none where tracing is off."""
    if not tier.tracing.begins:
        return {}
    return {
        "tracing": {
            # Every request has a span; which is kept is the sampler's to say. This percentage would overrule
            # a caller's decision, and tear its trace.
            "random_sampling": {"value": 100},
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
    if not tier.tracing.begins:
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
            "sampler": _sampler(tier.tracing.sampling),
        },
    }


def _sampler(percent: float) -> dict[str, Any]:
    """The caller's decision, and where there is no caller a share of the traces."""
    share = {"numerator": round(percent * 10_000), "denominator": "MILLION"}
    root = kinds.extension(
        "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        f"{_SAMPLERS}.TraceIdRatioBasedSamplerConfig",
        sampling_percentage=share,
    )
    return kinds.extension(
        "envoy.tracers.opentelemetry.samplers.parent_based",
        f"{_SAMPLERS}.ParentBasedSamplerConfig",
        wrapped_sampler=root,
    )
