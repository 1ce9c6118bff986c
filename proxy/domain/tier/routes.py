"""Routes: which requests, to which upstreams, tried how often and for how long."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from proxy.domain.tier.fields import WEIGHT_TOTAL, Declared, Duration, Host, Method, Name, Weight


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
