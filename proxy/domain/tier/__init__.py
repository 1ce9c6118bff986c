"""A tier as plain data: what a person declares and what the translation to Envoy reads."""

from typing import Annotated, Any, Literal

from pydantic import Field

from proxy.domain.tier.access import (
    FORWARDED_IDENTITY,
    Access,
    ApiKeys,
    ExtAuthz,
    IdentityHeader,
    JwtProvider,
)
from proxy.domain.tier.duties import RunbookSetting
from proxy.domain.tier.fields import (
    WEIGHT_TOTAL,
    Accepted,
    Address,
    Declared,
    Duration,
    Host,
    Method,
    Name,
    Port,
    Weight,
    is_ip,
    seconds,
)
from proxy.domain.tier.freezes import Freeze
from proxy.domain.tier.limits import Limits
from proxy.domain.tier.logging import AccessLog, RouteLog, TierLogField
from proxy.domain.tier.objectives import BudgetPolicy, Calendar, Objective, ObjectiveKind, Resource
from proxy.domain.tier.protection import Penalty, Protection
from proxy.domain.tier.quotas import Quota, RateLimitService
from proxy.domain.tier.retries import Hedge, Retry
from proxy.domain.tier.routes import Route
from proxy.domain.tier.tls import Certificate, ClientCertificates, SessionTickets, Tls, UpstreamTls
from proxy.domain.tier.tracing import Otlp, Tracing
from proxy.domain.tier.transformation import Compression, Headers, HeadersField
from proxy.domain.tier.upstreams import CircuitBreaker, Endpoint, OutlierDetection, RetryBudget, Upstream

__all__ = [
    "FORWARDED_IDENTITY",
    "LOOPBACK",
    "WEIGHT_TOTAL",
    "Access",
    "AccessLog",
    "Address",
    "ApiKeys",
    "BudgetPolicy",
    "Calendar",
    "Certificate",
    "CircuitBreaker",
    "ClientCertificates",
    "Declared",
    "Duration",
    "Endpoint",
    "ExtAuthz",
    "Freeze",
    "Hedge",
    "Host",
    "JwtProvider",
    "Limits",
    "Method",
    "Name",
    "Objective",
    "ObjectiveKind",
    "Otlp",
    "OutlierDetection",
    "Penalty",
    "Port",
    "Protection",
    "Proxy",
    "Quota",
    "RateLimitService",
    "Resource",
    "Retry",
    "RetryBudget",
    "Route",
    "RouteLog",
    "RunbookSetting",
    "SessionTickets",
    "Tier",
    "Tls",
    "Tracing",
    "Upstream",
    "UpstreamTls",
    "Weight",
    "is_ip",
    "seconds",
]


LOOPBACK = "127.0.0.1"


class Proxy(Declared):
    """One Envoy. `address` is how Sluice reaches it, `bind` (default: the same) where it listens.

    A balancer asks `/ready` on `health_port` whether to send clients there. With `admin_tls_port` the admin
    port listens on the proxy's own loopback, and Sluice asks over mutual TLS what it needs of it.
    """

    name: Name
    address: Address = LOOPBACK
    bind: Address | None = None
    http_port: Port
    https_port: Port
    admin_port: Port
    admin_tls_port: Port | None = None
    health_port: Port | None = None

    @property
    def listen_address(self) -> str:
        return self.bind or self.address

    @property
    def admin_listens_on(self) -> str:
        return self.listen_address if self.admin_tls_port is None else LOOPBACK


class Tier(Declared):
    """Proxies that serve one configuration. `exact_added_latency` costs some 2 us of CPU per request.

    `proxy_protocol` is for a tier behind a layer-4 balancer: every connection must begin with a PROXY header,
    which says who the client is. Only the balancer may then reach the listeners.
    """

    name: Name
    proxies: tuple[Proxy, ...] = Field(min_length=1)
    upstreams: tuple[Upstream, ...] = ()
    routes: tuple[Route, ...] = ()
    jwt_providers: tuple[JwtProvider, ...] = ()
    api_keys: tuple[ApiKeys, ...] = ()
    ext_authz: tuple[ExtAuthz, ...] = ()
    identity_headers: tuple[IdentityHeader, ...] = FORWARDED_IDENTITY
    rate_limit_service: RateLimitService | None = None
    tls: Tls = Tls()
    limits: Limits = Limits()
    exact_added_latency: bool = True
    proxy_protocol: bool = False
    protection: Protection = Protection()
    access_log: TierLogField = AccessLog()
    tracing: Tracing = Tracing()
    request_headers: HeadersField = Headers()
    response_headers: HeadersField = Headers()
    server_header_transformation: Literal["overwrite", "append_if_absent", "pass_through"] = "overwrite"
    server_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]{1,64}$")] = "envoy"
    compression: Compression = Compression()
    accepted: Accepted = {}
    objectives: tuple[Objective, ...] = ()
    budget_policy: BudgetPolicy = BudgetPolicy()
    freeze: tuple[Freeze, ...] = ()
    runbooks: dict[str, RunbookSetting] = {}

    def route(self, name: str) -> Route | None:
        return next((route for route in self.routes if route.name == name), None)

    def upstream(self, name: str) -> Upstream | None:
        return next((upstream for upstream in self.upstreams if upstream.name == name), None)

    def proxy(self, name: str) -> Proxy | None:
        return next((proxy for proxy in self.proxies if proxy.name == name), None)

    @property
    def told_identity(self) -> frozenset[str]:
        """The headers by which the proxies tell backends who a client is."""
        claims = (claim.header for each in self.jwt_providers for claim in each.claim_to_headers)
        return frozenset({*claims, *(header for each in self.ext_authz for header in each.identity_headers)})

    def document(self) -> dict[str, Any]:
        """The whole tier as JSON data, every default spelt out, for a revision."""
        return self.model_dump(mode="json")

    def declaration(self) -> dict[str, Any]:
        """The tier as a person would write it: without what equals a default."""
        return self.model_dump(mode="json", exclude_defaults=True)
