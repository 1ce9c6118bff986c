"""What a route and a tier look like, as figures that know their PromQL and their age."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Unit = Literal["per_second", "microseconds", "ratio", "count", "bytes"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `value` None is no data, which is not zero. `promql`, evaluated at its time, gives it.

    `age` is how old the newest scrape under it was; None when no proxy answers.
    """

    value: float | None
    unit: Unit
    promql: str
    age: timedelta | None


@dataclass(frozen=True, slots=True)
class ArmIndicators:
    """One upstream's part in a route, by its first attempts."""

    arm: str
    first_attempts: Figure
    first_attempt_errors: Figure
    first_attempt_error_ratio: float | None
    retries: Figure


@dataclass(frozen=True, slots=True)
class RouteIndicators:
    """One route over `window` up to `at`."""

    route: str
    at: datetime
    window: timedelta
    age: timedelta | None
    requests: Figure
    proxy_errors: Figure
    backend_errors: Figure
    reasons: Mapping[str, Figure]
    added_p50: Figure
    added_p99: Figure
    total_p50: Figure
    total_p99: Figure
    retries: Figure
    arms: Mapping[str, ArmIndicators]

    @property
    def proxy_error_ratio(self) -> float | None:
        """The share of requests that the proxy failed, 0 to 1; None without requests."""
        return ratio(self.proxy_errors.value, self.requests.value)

    @property
    def backend_error_ratio(self) -> float | None:
        """The share of requests that a backend failed, 0 to 1; None without requests."""
        return ratio(self.backend_errors.value, self.requests.value)


@dataclass(frozen=True, slots=True)
class UpstreamIndicators:
    """One upstream's pools and retries. Saturation is 0 to 1 on the proxy where it is highest."""

    upstream: str
    connections: Figure
    requests: Figure
    pending: Figure
    retries: Figure
    retry_budget_exhaustion: Figure


@dataclass(frozen=True, slots=True)
class ProxyIndicators:
    """One proxy of the tier. `up` None: Prometheus does not know it."""

    proxy: str
    up: bool | None
    age: timedelta | None
    active_connections: Figure
    worker_busy: Figure
    memory: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSummary:
    """The little that says how a whole tier is, over `window` up to `at`."""

    tier: str
    at: datetime
    window: timedelta
    age: timedelta | None
    requests: Figure
    proxy_errors: Figure
    backend_errors: Figure
    added_p99: Figure

    @property
    def proxy_error_ratio(self) -> float | None:
        """The share of requests that the proxies failed, 0 to 1; None without requests."""
        return ratio(self.proxy_errors.value, self.requests.value)

    @property
    def backend_error_ratio(self) -> float | None:
        """The share of requests that backends failed, 0 to 1; None without requests."""
        return ratio(self.backend_errors.value, self.requests.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierIndicators(TierSummary):
    """A whole tier, by upstream and by proxy."""

    added_p50: Figure
    routing_p99: Figure
    tls_handshakes: Figure
    tls_failures: Figure
    tls_resumption: Figure
    active_connections: Figure
    upstreams: Mapping[str, UpstreamIndicators]
    proxies: Mapping[str, ProxyIndicators]


@dataclass(frozen=True, slots=True)
class RouteTrouble:
    """What fails on one route: shares of requests, and of first attempts by arm, 0 to 1; failures a second by
    reason. What does not fail is not there.
    """

    route: str
    proxy_ratio: float | None
    backend_ratio: float | None
    first_attempts: Mapping[str, float]
    reasons: Mapping[str, float]


def ratio(part: float | None, whole: float | None) -> float | None:
    """`part / whole`; None when either is unknown or the whole is nothing."""
    if part is None or not whole:
        return None
    return part / whole
