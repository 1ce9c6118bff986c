"""The families that a tier's objectives are looked at in."""

from collections.abc import Mapping
from dataclasses import dataclass

from slo.domain.objectives import Kind


@dataclass(frozen=True, slots=True)
class Family:
    """Kinds of objectives that answer one question about a tier."""

    slug: str
    title: str
    asks: str
    kinds: tuple[Kind, ...]


FAMILIES = (
    Family(
        "latency",
        "Added latency",
        "what the proxy itself takes",
        ("added_latency", "total_latency", "backend_latency"),
    ),
    Family(
        "availability",
        "Availability",
        "what fails, and by whom",
        ("proxy_availability", "route_availability", "backend_availability"),
    ),
    Family("saturation", "Saturation", "how full it is", ("saturation",)),
    Family("tls", "TLS", "handshakes, resumption", ("tls_handshakes", "tls_resumption", "tls_fresh")),
    Family(
        "retries",
        "Retry health",
        "what retries hide, and cost",
        ("first_attempts", "retries", "retry_budget"),
    ),
    Family("own", "Measures of its own", "what somebody wrote in PromQL", ("ratio", "gauge")),
)
"""The five of every tier, and what people measure beside them. Every kind is in one."""
SLUGS: Mapping[str, str] = {kind: family.slug for family in FAMILIES for kind in family.kinds}
