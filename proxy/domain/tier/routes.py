"""Routes: which requests, to which upstreams, tried how often and for how long."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier.fields import Declared, Duration
from proxy.domain.tier.routing import Routing


class Retry(Declared):
    """`attempts` counts retries after the first attempt. `per_try_timeout` unset: a timeout is not
    retried.
    """

    attempts: int = Field(default=2, ge=0, le=5)
    per_try_timeout: Duration | None = None
    back_off: Duration = timedelta(milliseconds=25)
    max_back_off: Duration = timedelta(milliseconds=250)


class Route(Routing):
    """What a request to some hosts and paths gets, and how it is tried there.

    `idempotency` says what may be retried: `method` = GET, HEAD, PUT, DELETE, OPTIONS, TRACE or any request
    with an Idempotency-Key; `always` = every request (a gRPC service of reads, whose calls are all POST);
    `never` = none.
    """

    idempotency: Literal["method", "always", "never"] = "method"
    retry: Retry = Retry()
    timeout: Duration = timedelta(seconds=2)

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
