"""Where the trace of a request goes, and whose word counts on whether it is kept."""

from typing import Self

from pydantic import model_validator

from proxy.domain.tier.fields import Address, Declared, Port
from proxy.domain.tier.limits import Percent


class Otlp(Declared):
    """An OpenTelemetry collector that takes spans over gRPC."""

    address: Address
    port: Port = 4317


class Tracing(Declared):
    """W3C trace context. `sampling` is the percentage of the requests without a `traceparent` whose trace is
    kept; a request that bears one keeps its caller's decision.

    `enabled` unset: where `otlp` is declared. A trace costs some 4 us of CPU a request, and one that begins
    at the proxy is of use only where its spans go somewhere; a caller's `traceparent` reaches the backends in
    any case. Enabled without `otlp`, the proxies begin traces and keep no spans.
    `trust_clients` false: a client's `traceparent` is taken off, so that nobody outside decides what is kept.
    """

    enabled: bool | None = None
    sampling: Percent = 1.0
    trust_clients: bool = True
    otlp: Otlp | None = None

    @model_validator(mode="after")
    def _a_sample_is_of_something(self) -> Self:
        if self.sampling != 1 and self.enabled is None and self.otlp is None:
            raise ValueError("sampling has no effect while tracing is off: name the collector in otlp")
        return self

    @property
    def begins(self) -> bool:
        """Whether the proxies take part in traces."""
        return self.otlp is not None if self.enabled is None else self.enabled
