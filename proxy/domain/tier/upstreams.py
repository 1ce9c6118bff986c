"""Upstreams: where requests go, and how much of what fails there is borne."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from proxy.domain.tier.fields import Address, Declared, Duration, Name, Port


class Endpoint(Declared):
    """One backend instance."""

    name: Name | None = None
    address: Address = "127.0.0.1"
    port: Port

    @property
    def label(self) -> str:
        """The name, or else `address:port`."""
        return self.name or f"{self.address}:{self.port}"


class CircuitBreaker(Declared):
    """Per proxy. The queue is short: a fast 503 sheds load, a long queue hides it."""

    max_connections: int = Field(default=256, ge=1)
    max_pending_requests: int = Field(default=64, ge=0)
    max_requests: int = Field(default=512, ge=1)


class RetryBudget(Declared):
    """Retries may be `percent` of the requests in flight; `min_concurrency` is a floor at low traffic."""

    percent: float = Field(default=20.0, ge=0, le=100)
    min_concurrency: int = Field(default=3, ge=0)


class OutlierDetection(Declared):
    """Ejects an endpoint that fails `consecutive_failures` times in a row with 502, 503 or 504 or by itself.

    `enabled` unset means: from three endpoints on. With one or two, an ejection takes all or half of the
    capacity, and a canary's only backend would leave the split before the judge has seen it fail.
    """

    enabled: bool | None = None
    consecutive_failures: int = Field(default=5, ge=1)
    interval: Duration = timedelta(seconds=1)
    base_ejection_time: Duration = timedelta(seconds=30)
    max_ejection_percent: int = Field(default=34, ge=0, le=100)


class Upstream(Declared):
    """A set of backends that serve the same thing. Envoy calls it a cluster and bears its name."""

    name: Name
    protocol: Literal["http1", "http2"] = "http1"
    endpoints: tuple[Endpoint, ...] = Field(min_length=1)
    connect_timeout: Duration = timedelta(milliseconds=250)
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    retry_budget: RetryBudget = RetryBudget()
    outlier_detection: OutlierDetection = OutlierDetection()

    @property
    def ejects(self) -> bool:
        """Whether outlier detection works on this upstream."""
        enabled = self.outlier_detection.enabled
        return len(self.endpoints) >= 3 if enabled is None else enabled
