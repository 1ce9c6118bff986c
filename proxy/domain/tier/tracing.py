"""Where the trace of a request goes, and whose word counts on whether it is kept."""

from proxy.domain.tier.fields import Address, Declared, Port
from proxy.domain.tier.limits import Percent


class Otlp(Declared):
    """An OpenTelemetry collector that takes spans over gRPC."""

    address: Address
    port: Port = 4317


class Tracing(Declared):
    """W3C trace context. `sampling` is the percentage of the requests without a `traceparent` whose trace is
    kept; a request that bears one keeps its caller's decision.

    `trust_clients` false: a client's `traceparent` is taken off, so that nobody outside decides what is kept.
    Without `otlp` nothing is exported; the backends are told the trace all the same.
    """

    enabled: bool = True
    sampling: Percent = 1.0
    trust_clients: bool = True
    otlp: Otlp | None = None
