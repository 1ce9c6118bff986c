"""How much of a route a client, a tenant or everybody may take, and who counts."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier.access import CLIENT_HEADER, ClaimPath, IdentityHeader
from proxy.domain.tier.fields import Address, Declared, Duration, Name, Port

UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


class ByClaim(Declared):
    """A claim of a token that the provider vouched for. Requests without it share one quota."""

    provider: Name
    claim: ClaimPath


class By(Declared):
    """Whom a quota is each one's own: exactly one way of telling them apart."""

    header: IdentityHeader | None = None
    claim: ByClaim | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.header is None) == (self.claim is None):
            raise ValueError("needs exactly one of header and claim")
        return self


class Quota(Declared):
    """`requests` a `unit`, of which `burst` may come at once: by the whole tier, whose proxies each have
    their share of it.

    `by` says whose it is: the `route`'s as a whole, each `client`'s (of an API key), each `remote_address`'s
    (an IPv6 client has its /64), or each value's of an identity header or a claim. `overrides` gives single
    clients or values another number of requests.

    `counted_by` the `proxy`, in memory, or the rate limit `service`, which counts for all proxies together.
    """

    requests: int = Field(ge=1, le=10**9)
    unit: Literal["second", "minute", "hour", "day"] = "second"
    by: Literal["route", "client", "remote_address"] | By = "route"
    burst: int | None = Field(default=None, ge=1, le=10**9)
    overrides: dict[Annotated[str, Field(min_length=1, max_length=256)], Annotated[int, Field(ge=1)]] = {}
    counted_by: Literal["proxy", "service"] = "proxy"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.overrides and self.by in ("route", "remote_address"):
            raise ValueError(f"overrides do not go with by: {self.by}")
        if self.counted_by == "service" and (self.burst is not None or self.overrides):
            raise ValueError("burst and overrides do not go with counted_by: service, whose own they are")
        return self

    @property
    def header(self) -> str | None:
        """The identity header whose values are told apart, if it is one."""
        if self.by == "client":
            return CLIENT_HEADER
        return self.by.header if isinstance(self.by, By) else None

    @property
    def claim(self) -> ByClaim | None:
        """The claim whose values are told apart, if it is one."""
        return self.by.claim if isinstance(self.by, By) else None

    @property
    def period(self) -> timedelta:
        return UNITS[self.unit]


class RateLimitService(Declared):
    """A service that counts for all proxies, by Envoy's protocol (envoy.service.ratelimit.v3).

    Where it does not answer in `timeout`, requests are let through unless `failure_mode_deny`: a dead
    companion must not close the tier.
    """

    address: Address
    port: Port
    domain: Annotated[str, Field(min_length=1, max_length=128)] = "sluice"
    timeout: Duration = timedelta(milliseconds=50)
    failure_mode_deny: bool = False
