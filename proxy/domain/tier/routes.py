"""Routes: which requests, to which upstreams, tried how often and for how long."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import model_validator

from proxy.domain.tier.access import Access
from proxy.domain.tier.cors import Cors
from proxy.domain.tier.fields import Accepted, Duration, seconds
from proxy.domain.tier.logging import RouteLogField
from proxy.domain.tier.mirrors import refusal
from proxy.domain.tier.quotas import Quota
from proxy.domain.tier.retries import HedgeField, Retry
from proxy.domain.tier.routing import Routing
from proxy.domain.tier.transformation import Transformation

_OF_BODIES = ("hedge", "request_body", "response_body", "transcode", "max_request_bytes")


class Route(Routing, Transformation):
    """What a request to some hosts and paths gets, and how it is tried there.

    `idempotency` says what may be retried: `method` = GET, HEAD, PUT, DELETE, OPTIONS, TRACE or any request
    with an Idempotency-Key; `always` = every request (a gRPC service of reads, whose calls are all POST);
    `never` = none. The same says what may be hedged.

    `timeout` begins when the request is complete and lasts to the end of the answer. `idle_timeout` ends a
    request in which nothing moves; unset, it is the tier's `stream_idle_timeout`, or `timeout` where that is
    longer. `request_timeout` is the client's, for sending its request; unset, it is the tier's of that name.
    `upgrade` names the protocols that a client may go over to.
    """

    idempotency: Literal["method", "always", "never"] = "method"
    retry: Retry = Retry()
    hedge: HedgeField | None = None
    timeout: Duration = timedelta(seconds=2)
    idle_timeout: Duration | None = None
    request_timeout: Duration | None = None
    upgrade: tuple[Literal["websocket"], ...] = ()
    access: Access = Access()
    cors: Cors | None = None
    quotas: tuple[Quota, ...] = ()
    access_log: RouteLogField | None = None
    accepted: Accepted = {}

    @model_validator(mode="after")
    def _a_try_ends_before_the_request(self) -> Self:
        if self.retry.per_try_timeout is not None and self.retry.per_try_timeout >= self.timeout:
            raise ValueError("retry.per_try_timeout must be shorter than timeout")
        return self

    @model_validator(mode="after")
    def _a_hedge_is_a_retry(self) -> Self:
        if self.hedge is None:
            return self
        if self.hedge.after >= self.per_try_timeout:
            raise ValueError(
                f"hedge.after must be shorter than {seconds(self.per_try_timeout)}, a try's limit"
            )
        if self.retry.per_try_timeout is not None:
            raise ValueError("retry.per_try_timeout does not go with hedge, which leaves a slow try running")
        if self.retry.attempts == 0 or self.idempotency == "never":
            raise ValueError("hedge needs retry.attempts and an idempotency that allows them: it is a retry")
        return self

    @model_validator(mode="after")
    def _a_request_is_waited_for(self) -> Self:
        if self.request_timeout is not None and not self.split:
            raise ValueError("request_timeout belongs to a route with an upstream")
        return self

    @model_validator(mode="after")
    def _an_upgraded_connection_has_no_bodies(self) -> Self:
        if not self.upgrade:
            return self
        if not self.split:
            raise ValueError("upgrade belongs to a route with an upstream")
        beside = [field for field in _OF_BODIES if getattr(self, field)]
        if beside:
            raise ValueError(
                f"{beside[0]} does not go with upgrade: give the upgraded path a route of its own"
            )
        return self

    @model_validator(mode="after")
    def _a_copy_does_no_harm(self) -> Self:
        why = refusal(self.mirror, self.methods, self.idempotency) if self.mirror is not None else ""
        if why:
            raise ValueError(f"mirror {why}")
        if self.mirror is not None and self.upgrade:
            raise ValueError("mirror does not go with upgrade: a copy cannot be spoken with")
        return self

    @property
    def retried(self) -> bool:
        """Whether anything is tried again here."""
        return self.retry.attempts > 0 and self.idempotency != "never"

    @property
    def per_try_timeout(self) -> timedelta:
        """The limit of one attempt: always a little below `timeout`.

        Envoy logs an attempt that the route's own timeout cut like one whose client left (code 0, no flag);
        one that the per-try timeout cut bears UT, which is what first-attempt errors are counted by.
        """
        return self.retry.per_try_timeout or self.timeout * 0.95
