"""Active health checks: the proxies ask each endpoint whether it can serve."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier.fields import Declared, Duration, Host
from proxy.domain.tier.limits import Percent

Path = Annotated[str, Field(pattern=r"^/[^\s]*$", max_length=1024)]


class HealthCheck(Declared):
    """Every proxy asks every endpoint each `interval`, moved by up to `interval_jitter_percent` so that they
    do not ask at once; an upstream without traffic is asked each `no_traffic_interval` only.

    `type`: `http` wants one of `expected_statuses` from `path`, `grpc` SERVING by grpc.health.v1 for
    `service_name`, `tcp` a connection.
    """

    type: Literal["http", "grpc", "tcp"] = "http"
    path: Path = "/healthz"
    host: Host | None = None
    expected_statuses: tuple[Annotated[int, Field(ge=100, le=599)], ...] = (200,)
    service_name: Annotated[str, Field(max_length=255)] = ""
    interval: Duration = timedelta(seconds=5)
    no_traffic_interval: Duration = timedelta(seconds=60)
    interval_jitter_percent: Percent = 20.0
    timeout: Duration = timedelta(seconds=1)
    unhealthy_threshold: int = Field(default=3, ge=1)
    healthy_threshold: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _an_answer_comes_before_the_next_question(self) -> Self:
        if self.timeout > self.interval:
            raise ValueError("timeout must not be longer than interval")
        return self
