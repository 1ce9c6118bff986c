"""What an overlay changes towards clients: how slow they may be, how many, how long a connection lasts.

A connection goes on by what it was told when it began. New settings meet new connections; those that are
there are drained, which sends a GOAWAY or `Connection: close` with an answer.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from proxy.domain.patches.laying import Change, listed, tighter
from proxy.domain.tier import Duration, Penalty, Tier

PENALTY, LIMITS, CYCLING = "clients/penalty", "clients/limits", "clients/connections"
BRAKE = "clients/accepts"


class PenaltyPatch(Change, Penalty):
    """Holds clients from some ranges to a few connections, besides those that the tier declares."""

    kind: Literal["penalty"] = "penalty"

    @property
    def target(self) -> str:
        return PENALTY

    @property
    def words(self) -> str:
        return f"hold {', '.join(self.prefixes)} to {self.max_connections} connections"

    def check(self, tier: Tier) -> None:
        """It names nothing of the tier."""

    def over(self, tier: Tier) -> Tier:
        return tier.model_copy(update={"protection": tier.protection.with_penalty(self)})


class OfLimits(Change):
    """Tightens fields of the tier's `limits`; what is not named, or is tighter already, stays."""

    def check(self, tier: Tier) -> None:
        """Every tier has limits."""

    def over(self, tier: Tier) -> Tier:
        limits = tier.limits
        wanted = {name: getattr(self, name) for name in self._fields()}
        tightened = {name: tighter(getattr(limits, name), value) for name, value in wanted.items()}
        return tier.model_copy(update={"limits": limits.model_copy(update=tightened)})

    @model_validator(mode="after")
    def _something_is_tightened(self) -> Self:
        if not self._fields():
            raise ValueError("tightens nothing: name a limit")
        return self

    def _listed(self) -> str:
        return listed(**{name: getattr(self, name) for name in self._fields()})

    def _fields(self) -> tuple[str, ...]:
        named = (name for name in type(self).model_fields if name != "kind")
        return tuple(name for name in named if getattr(self, name) is not None)


class TighterLimits(OfLimits):
    """Less patience with slow clients, and fewer connections in all and of one address.

    `max_connections` is obeyed at the next connect, the others by connections that are made from then on. A
    route with a `request_timeout` or `idle_timeout` of its own keeps it.
    """

    kind: Literal["limits"] = "limits"
    handshake_timeout: Duration | None = None
    request_headers_timeout: Duration | None = None
    request_timeout: Duration | None = None
    stream_idle_timeout: Duration | None = None
    stream_flush_timeout: Duration | None = None
    per_connection_buffer_high_watermark_timeout: Duration | None = None
    idle_timeout: Duration | None = None
    max_connections: int | None = Field(default=None, ge=1)
    max_connections_per_address: int | None = Field(default=None, ge=1)
    max_accepts_per_second: int | None = Field(default=None, ge=1)
    max_concurrent_streams: int | None = Field(default=None, ge=1)

    @property
    def target(self) -> str:
        return LIMITS

    @property
    def words(self) -> str:
        return f"tighten what clients may take: {self._listed()}"


class Cycling(OfLimits):
    """Clients' connections end after so many requests or so long (HTTP/2: GOAWAY), and requests under way
    end on them: clients that hold one for ever choose a proxy anew.
    """

    kind: Literal["connection_cycling"] = "connection_cycling"
    max_requests_per_connection: int | None = Field(default=None, ge=1)
    max_connection_duration: Duration | None = None

    @property
    def target(self) -> str:
        return CYCLING

    @property
    def words(self) -> str:
        return f"end clients' connections: {self._listed()}"


class AcceptBrake(Change):
    """Connections are accepted at `braked_accepts_per_second`; what is above is closed before its handshake.

    Obeyed by the next connect: no listener changes, so that no connection is drained for it.
    """

    kind: Literal["accept_brake"] = "accept_brake"

    @property
    def target(self) -> str:
        return BRAKE

    @property
    def words(self) -> str:
        return "pull the accept brake"

    def check(self, tier: Tier) -> None:
        """Every tier has the brake."""

    def over(self, tier: Tier) -> Tier:
        return tier.model_copy(update={"limits": tier.limits.model_copy(update={"accept_brake": True})})
