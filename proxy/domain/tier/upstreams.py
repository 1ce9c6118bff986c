"""Upstreams: where requests go, and how much of what fails there is borne."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier.fields import Accepted, Address, Declared, Duration, Name, Port, is_ip
from proxy.domain.tier.health import HealthCheck
from proxy.domain.tier.limits import Percent
from proxy.domain.tier.matching import HeaderName, Token
from proxy.domain.tier.tls import UpstreamTls

CapacityRps = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
"""Requests per second that one endpoint can take; Envoy is not told, rollouts reckon with it."""


class Endpoint(Declared):
    """One backend instance. `weight` is its share among the others, `zone` its locality for Envoy.

    `capacity_rps` unset is that of its upstream.
    """

    name: Name | None = None
    address: Address = "127.0.0.1"
    port: Port
    weight: int = Field(default=1, ge=1, le=1000)
    capacity_rps: CapacityRps | None = None
    zone: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")] | None = None

    @property
    def label(self) -> str:
        """The name, or else `address:port`."""
        return self.name or f"{self.address}:{self.port}"


class CircuitBreaker(Declared):
    """Per proxy. The queue is short: a fast 503 sheds load, a long queue hides it.

    `max_connections_per_endpoint` keeps one endpoint from taking all of `max_connections`. The circuit of
    retries is the retry budget.
    """

    max_connections: int = Field(default=256, ge=1)
    max_pending_requests: int = Field(default=64, ge=0)
    max_requests: int = Field(default=512, ge=1)
    max_connections_per_endpoint: int | None = Field(default=None, ge=1)


class RetryBudget(Declared):
    """Retries in flight may be `percent` of the first attempts in flight: that is the load which they add.

    `min_concurrency` of them are always allowed, since at low traffic a share is nothing. With
    `budget_interval` the requests of so long are counted in place of those in flight. That is a looser
    budget, since retries are counted in flight all the same.
    """

    percent: float = Field(default=20.0, ge=0, le=100)
    min_concurrency: int = Field(default=3, ge=0)
    budget_interval: Duration | None = None


class SuccessRate(Declared):
    """Ejects endpoints whose success rate is `stdev_factor` standard deviations below the mean of all.

    Of an `interval`, and only endpoints with `request_volume` requests in it, from `minimum_hosts` such on.
    """

    minimum_hosts: int = Field(default=5, ge=2)
    request_volume: int = Field(default=100, ge=1)
    stdev_factor: float = Field(default=1.9, gt=0)

    @model_validator(mode="after")
    def _one_can_be_so_far_from_the_mean(self) -> Self:
        """Of n values one is at most sqrt(n - 1) standard deviations from their mean."""
        if self.minimum_hosts - 1 < self.stdev_factor**2:
            raise ValueError(
                f"of {self.minimum_hosts} endpoints none is ever {self.stdev_factor:g} standard deviations"
                " below the mean: raise minimum_hosts or lower stdev_factor"
            )
        return self


class FailurePercentage(Declared):
    """Ejects endpoints that fail `threshold` percent of an `interval`'s requests, counted as above."""

    threshold: int = Field(default=85, ge=1, le=100)
    minimum_hosts: int = Field(default=3, ge=1)
    request_volume: int = Field(default=50, ge=1)


class OutlierDetection(Declared):
    """Ejects an endpoint that fails `consecutive_failures` times in a row with 502, 503 or 504 or by itself.

    `enabled` unset means: from three endpoints on. With one or two, an ejection takes all or half of the
    capacity, and a canary's only backend would leave the split before the judge has seen it fail.
    `base_ejection_time` is multiplied by the number of ejections in a row, up to `max_ejection_time`.

    `split_external_local_origin_errors` counts timeouts and failures to connect apart from bad answers. It
    is less safe: each connect that succeeds ends a row of timeouts, so that a slow endpoint may never be
    ejected.
    """

    enabled: bool | None = None
    consecutive_failures: int = Field(default=5, ge=1)
    interval: Duration = timedelta(seconds=1)
    base_ejection_time: Duration = timedelta(seconds=30)
    max_ejection_time: Duration = timedelta(seconds=300)
    max_ejection_time_jitter: Duration | None = None
    max_ejection_percent: int = Field(default=34, ge=0, le=100)
    split_external_local_origin_errors: bool = False
    success_rate: SuccessRate | None = None
    failure_percentage: FailurePercentage | None = None

    @model_validator(mode="after")
    def _the_longest_is_not_the_shorter(self) -> Self:
        if self.max_ejection_time < self.base_ejection_time:
            raise ValueError("max_ejection_time must not be shorter than base_ejection_time")
        return self


class UpstreamConnection(Declared):
    """How long a connection to an endpoint is used.

    Behind a layer-4 balancer or a name with many addresses, an age makes the proxies find new backends; of
    endpoints that Sluice knows, requests are balanced whatever the connections. Envoy has no jitter here:
    connections that were opened together end together.
    """

    idle_timeout: Duration = timedelta(seconds=60)
    max_requests_per_connection: int | None = Field(default=None, ge=1)
    max_connection_duration: Duration | None = None


class HashOn(Declared):
    """What decides the endpoint under `ring_hash` and `maglev`: exactly one."""

    header: HeaderName | None = None
    cookie: Token | None = None
    query_parameter: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    source_ip: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum((bool(self.header), bool(self.cookie), bool(self.query_parameter), self.source_ip)) != 1:
            raise ValueError("needs exactly one of header, cookie, query_parameter and source_ip")
        return self


LbPolicy = Literal["least_request", "round_robin", "random", "ring_hash", "maglev"]
_HASHING = ("ring_hash", "maglev")


class Upstream(Declared):
    """A set of backends that serve the same thing. Envoy calls it a cluster and bears its name.

    `protocol`: `http2` is for gRPC too; `auto` asks the endpoint within the TLS handshake (ALPN).
    `lb_policy`: `least_request` draws two endpoints and takes the one with fewer requests in flight, so that
    slow ones get less and the many streams of one connection spread. `capacity_rps` is each endpoint's.
    `maintenance_mode`: so many percent of the requests get a 503 at once, and no endpoint is asked.
    """

    name: Name
    protocol: Literal["http1", "http2", "auto"] = "http1"
    endpoints: tuple[Endpoint, ...] = ()
    discovery: Literal["declared", "registry"] = "declared"
    capacity_rps: CapacityRps | None = None
    health_check: HealthCheck | None = None
    healthy_panic_threshold: Percent = 50.0
    connect_timeout: Duration = timedelta(milliseconds=250)
    tls: UpstreamTls | None = None
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    retry_budget: RetryBudget = RetryBudget()
    outlier_detection: OutlierDetection = OutlierDetection()
    lb_policy: LbPolicy = "least_request"
    hash_on: HashOn | None = None
    connection: UpstreamConnection = UpstreamConnection()
    maintenance_mode: int = Field(default=0, ge=0, le=100)
    accepted: Accepted = {}

    @model_validator(mode="after")
    def _endpoints_come_from_somewhere(self) -> Self:
        if self.discovery == "declared" and not self.endpoints:
            raise ValueError("needs endpoints, or discovery: registry to have them pushed")
        if self.discovery == "registry" and not all(is_ip(each.address) for each in self.endpoints):
            raise ValueError("a registry knows addresses: the endpoints to begin with must be some, too")
        return self

    @model_validator(mode="after")
    def _a_hash_has_its_policy(self) -> Self:
        if (self.lb_policy in _HASHING) != (self.hash_on is not None):
            raise ValueError("hash_on belongs to lb_policy ring_hash and maglev, and they to it")
        return self

    @model_validator(mode="after")
    def _grpc_goes_over_http2(self) -> Self:
        if self.health_check is not None and self.health_check.type == "grpc" and self.protocol != "http2":
            raise ValueError("health_check.type grpc needs protocol http2")
        return self

    @model_validator(mode="after")
    def _asking_needs_a_handshake(self) -> Self:
        if self.protocol == "auto" and self.tls is None:
            raise ValueError("protocol auto needs tls: without a handshake nothing can be asked")
        return self

    @property
    def ejects(self) -> bool:
        """Whether outlier detection works on this upstream."""
        enabled = self.outlier_detection.enabled
        if enabled is not None:
            return enabled
        # How many a registry will push is not known, and a cluster is not rebuilt for it: among one or two
        # max_ejection_percent lets none out.
        return self.discovery == "registry" or len(self.endpoints) >= 3
