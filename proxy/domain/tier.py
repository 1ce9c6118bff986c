"""A tier as plain data: what a person declares and what the translation to Envoy reads."""

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

WEIGHT_TOTAL = 10_000
"""The weights of a route always add up to this, in basis points. A constant total keeps ramps nested."""

RUNBOOKS = ("canary-rolled-back", "canary-step", "retry-storm", "slo-burn")
"""What a tier may name: the texts of the runbooks app, which stands above this one."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?")
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT")


def _read_duration(given: Any) -> Any:
    """`250ms`, `2s`, `1m`, or a number of seconds."""
    if isinstance(given, str):
        match = _DURATION.fullmatch(given.strip())
        if match is None:
            raise ValueError("not a duration: write 250ms, 2s or 1m")
        try:
            return timedelta(seconds=round(float(match[1]) * _UNITS[match[2]], 6))
        except OverflowError:
            raise ValueError("too long a duration") from None
    if isinstance(given, bool):
        raise ValueError("not a duration: write 250ms, 2s or 1m")
    return given


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def seconds(value: timedelta) -> str:
    """The form that Envoy's JSON uses: `0.25s`."""
    return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("not a host: write shop.test, *.shop.test, shop.* or *")
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", value):
        raise ValueError("not an address")
    return value


def is_ip(address: str) -> bool:
    """Whether Envoy can use the address without a resolver."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    AfterValidator(_positive),
    PlainSerializer(seconds, return_type=str, when_used="json"),
]
Host = Annotated[str, AfterValidator(_host)]
Address = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
Weight = Annotated[int, Field(ge=0, le=WEIGHT_TOTAL)]
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT"]


class Declared(BaseModel):
    """Frozen; an unknown key is an error, since a misspelt limit must not be a missing one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Proxy(Declared):
    """One Envoy. `address` is how Sluice reaches it, `bind` (default: the same) where it listens."""

    name: Name
    address: Address = "127.0.0.1"
    bind: Address | None = None
    http_port: Port
    https_port: Port
    admin_port: Port

    @property
    def listen_address(self) -> str:
        return self.bind or self.address


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


class Retry(Declared):
    """`attempts` counts retries after the first attempt. `per_try_timeout` unset: a timeout is not
    retried.
    """

    attempts: int = Field(default=2, ge=0, le=5)
    per_try_timeout: Duration | None = None
    back_off: Duration = timedelta(milliseconds=25)
    max_back_off: Duration = timedelta(milliseconds=250)


class Route(Declared):
    """What a request to some hosts and a path prefix gets.

    `split` gives each upstream its weight in basis points (`upstream: X` is short for all to X).
    `idempotency` says what may be retried: `method` = GET, HEAD, PUT, DELETE, OPTIONS, TRACE or any request
    with an Idempotency-Key; `always` = every request (a gRPC service of reads, whose calls are all POST);
    `never` = none.
    """

    name: Name
    hosts: tuple[Host, ...] = Field(min_length=1)
    prefix: Annotated[str, Field(pattern=r"^/[^?#\s]*$")] = "/"
    methods: tuple[Method, ...] = ()
    split: dict[str, Weight] = Field(min_length=1)
    idempotency: Literal["method", "always", "never"] = "method"
    retry: Retry = Retry()
    timeout: Duration = timedelta(seconds=2)

    @model_validator(mode="before")
    @classmethod
    def _upstream_is_short_for_a_split(cls, given: Any) -> Any:
        if isinstance(given, dict) and "upstream" in given and "split" not in given:
            rest = {key: value for key, value in given.items() if key != "upstream"}
            return {**rest, "split": {str(given["upstream"]): WEIGHT_TOTAL}}
        return given

    @field_validator("split")
    @classmethod
    def _weights_add_up(cls, split: dict[str, int]) -> dict[str, int]:
        if sum(split.values()) != WEIGHT_TOTAL:
            raise ValueError(f"the weights add up to {sum(split.values())}, not {WEIGHT_TOTAL}")
        return split

    @model_validator(mode="after")
    def _a_try_ends_before_the_request(self) -> Self:
        if self.retry.per_try_timeout is not None and self.retry.per_try_timeout >= self.timeout:
            raise ValueError("retry.per_try_timeout must be shorter than timeout")
        return self

    @property
    def per_try_timeout(self) -> timedelta:
        """The limit of one attempt: always a little below `timeout`.

        Envoy logs an attempt that the route's own timeout cut like one whose client left (code 0, no flag);
        one that the per-try timeout cut bears UT, which is what first-attempt errors are counted by.
        """
        return self.retry.per_try_timeout or self.timeout * 0.95


class Limits(Declared):
    """What a client may take, per proxy and listener: slow ones are cut, many ones are capped."""

    max_connections: int = Field(default=10_000, ge=1)
    handshake_timeout: Duration = timedelta(seconds=5)
    request_headers_timeout: Duration = timedelta(seconds=5)
    request_timeout: Duration = timedelta(seconds=30)
    stream_idle_timeout: Duration = timedelta(seconds=60)
    idle_timeout: Duration = timedelta(seconds=60)
    max_headers_kb: int = Field(default=32, ge=1, le=8192)
    max_concurrent_streams: int = Field(default=100, ge=1)
    buffer_bytes: int = Field(default=65_536, ge=1024)


class Objective(Declared):
    """A target that the tier or a route is held to. The slo app owns its meaning."""

    name: Name
    kind: Literal["proxy_availability", "added_latency", "route_availability"]
    target: float = Field(gt=0, lt=100)
    threshold_ms: float | None = Field(default=None, gt=0)
    route: str | None = None
    window_days: int = Field(default=30, ge=1, le=90)
    owner: str = ""
    runbook: str = ""

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> Self:
        if (self.kind == "added_latency") != (self.threshold_ms is not None):
            raise ValueError("threshold_ms belongs to kind added_latency, and only to it")
        if self.kind == "route_availability" and self.route is None:
            raise ValueError("kind route_availability needs a route")
        return self


class RunbookSetting(Declared):
    """How far a runbook may go by itself on this tier. The runbooks app owns its meaning."""

    mode: Literal["observe", "approve", "auto"] = "approve"
    policy: dict[str, str | int | float] = {}


class Tier(Declared):
    """Proxies that serve one configuration. `exact_added_latency` costs some 6 us of CPU per request."""

    name: Name
    proxies: tuple[Proxy, ...] = Field(min_length=1)
    upstreams: tuple[Upstream, ...] = ()
    routes: tuple[Route, ...] = ()
    limits: Limits = Limits()
    exact_added_latency: bool = True
    access_log: Literal["off", "errors", "all"] = "errors"
    objectives: tuple[Objective, ...] = ()
    runbooks: dict[str, RunbookSetting] = {}

    def route(self, name: str) -> Route | None:
        return next((route for route in self.routes if route.name == name), None)

    def upstream(self, name: str) -> Upstream | None:
        return next((upstream for upstream in self.upstreams if upstream.name == name), None)

    def proxy(self, name: str) -> Proxy | None:
        return next((proxy for proxy in self.proxies if proxy.name == name), None)

    def document(self) -> dict[str, Any]:
        """The whole tier as JSON data, every default spelt out, for a revision."""
        return self.model_dump(mode="json")

    def declaration(self) -> dict[str, Any]:
        """The tier as a person would write it: without what equals a default."""
        return self.model_dump(mode="json", exclude_defaults=True)
