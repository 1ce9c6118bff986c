"""What may be tried again, when, and how often: retries, and hedges, which are retries that do not wait."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from proxy.domain.tier.fields import Declared, Duration

Condition = Literal[
    "connect-failure",
    "refused-stream",
    "reset-before-request",
    "reset",
    "retry-after",
    "gateway-error",
    "5xx",
    "retriable-4xx",
    "retriable-status-codes",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]
SAFE: tuple[Condition, ...] = (
    "connect-failure",
    "refused-stream",
    "reset-before-request",
    "reset",
    "retry-after",
)
"""Failures of the network, and the backend's own word that another try is welcome: a 503 with Retry-After."""


class Retry(Declared):
    """`attempts` counts retries after the first attempt; the upstream's retry budget bounds them all.

    `retry_on` in Envoy's words, and `retry-after` for a 503 that bears that header. Whatever else is added
    (an answer of the application, a gRPC status) is less safe: it repeats work that an overloaded backend
    refused. `per_try_timeout` unset: an attempt may take nearly the whole timeout. `per_try_idle_timeout`
    ends an attempt in which nothing has moved for so long.
    """

    attempts: int = Field(default=2, ge=0, le=5)
    retry_on: Annotated[tuple[Condition, ...], Field(min_length=1)] = SAFE
    retriable_status_codes: tuple[Annotated[int, Field(ge=400, le=599)], ...] = ()
    per_try_timeout: Duration | None = None
    per_try_idle_timeout: Duration | None = None
    back_off: Duration = timedelta(milliseconds=25)
    max_back_off: Duration = timedelta(milliseconds=250)

    @model_validator(mode="after")
    def _codes_are_asked_for(self) -> Self:
        if ("retriable-status-codes" in self.retry_on) != bool(self.retriable_status_codes):
            raise ValueError("retriable_status_codes and retriable-status-codes in retry_on belong together")
        return self

    @property
    def less_safe(self) -> tuple[Condition, ...]:
        """The declared conditions that are not in SAFE."""
        return tuple(condition for condition in self.retry_on if condition not in SAFE)


def _read_hedge(given: Any) -> Any:
    """`hedge: 100ms` is short for `hedge: {after: 100ms}`."""
    return {"after": given} if isinstance(given, str) else given


class Hedge(Declared):
    """Where no answer has begun `after` so long, another endpoint is asked too, and the first answer wins.

    Only what may be sent twice is hedged. A hedge is a retry: it takes from `retry.attempts` and from the
    upstream's retry budget. To outlier detection an endpoint that was too slow has failed.
    """

    after: Duration


HedgeField = Annotated[Hedge, BeforeValidator(_read_hedge)]
