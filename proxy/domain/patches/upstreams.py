"""What an overlay changes of an upstream: budgets, caps, ejection, balancing, the age of its connections.

Caps, budgets and shedding go through the runtime layer and are obeyed by the next request. The others rebuild
the cluster: requests under way end on the connections that they have, ejected endpoints are judged anew.
"""

from abc import abstractmethod
from collections.abc import Collection
from typing import Literal, Self

from pydantic import Field, model_validator

from proxy.domain.errors import Invalid
from proxy.domain.patches.laying import Change, listed, tighter, upstream, with_upstream
from proxy.domain.tier import Duration, Tier, Upstream, is_ip
from proxy.domain.tier.upstreams import FailurePercentage


class UpstreamChange(Change):
    """A patch of one upstream."""

    upstream: str

    def check(self, tier: Tier) -> None:
        upstream(tier, self.upstream)

    def over(self, tier: Tier) -> Tier:
        return with_upstream(tier, self.upstream, self._laid)

    @abstractmethod
    def _laid(self, given: Upstream) -> Upstream:
        """The upstream with it."""


class RetryBudgetPercent(UpstreamChange):
    """A smaller share of requests that may be retries. The floor goes too: at low traffic it is the whole
    budget. Nothing is raised.
    """

    kind: Literal["retry_budget"] = "retry_budget"
    percent: float = Field(ge=0, le=100)
    min_concurrency: int = Field(default=1, ge=0)

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/retry_budget"

    @property
    def words(self) -> str:
        return f"tighten the retry budget of {self.upstream} to {self.percent:g} %"

    def _laid(self, given: Upstream) -> Upstream:
        declared = given.retry_budget
        budget = {
            "percent": min(self.percent, declared.percent),
            "min_concurrency": min(self.min_concurrency, declared.min_concurrency),
        }
        return given.model_copy(update={"retry_budget": given.retry_budget.model_copy(update=budget)})


class TighterCircuitBreaker(UpstreamChange):
    """Lower caps of a pool and of the queue before it: what is above gets a fast 503. Nothing is raised."""

    kind: Literal["circuit_breaker"] = "circuit_breaker"
    max_connections: int | None = Field(default=None, ge=1)
    max_pending_requests: int | None = Field(default=None, ge=0)
    max_requests: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _some_cap(self) -> Self:
        _needs_some(self, "max_connections", "max_pending_requests", "max_requests")
        return self

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/circuit_breaker"

    @property
    def words(self) -> str:
        caps = listed(
            max_connections=self.max_connections,
            max_pending_requests=self.max_pending_requests,
            max_requests=self.max_requests,
        )
        return f"tighten the circuit breaker of {self.upstream}: {caps}"

    def _laid(self, given: Upstream) -> Upstream:
        breaker = given.circuit_breaker
        caps = {
            "max_connections": tighter(breaker.max_connections, self.max_connections),
            "max_pending_requests": tighter(breaker.max_pending_requests, self.max_pending_requests),
            "max_requests": tighter(breaker.max_requests, self.max_requests),
        }
        return given.model_copy(update={"circuit_breaker": breaker.model_copy(update=caps)})


class Shed(UpstreamChange):
    """So many percent of an upstream's requests get a 503 at once, before any is sent (Envoy: maintenance
    mode).
    """

    kind: Literal["shed"] = "shed"
    percent: int = Field(ge=1, le=100)

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/shed"

    @property
    def words(self) -> str:
        return f"answer {self.percent} % of the requests to {self.upstream} with a 503 at once"

    def _laid(self, given: Upstream) -> Upstream:
        return given.model_copy(update={"maintenance_mode": max(given.maintenance_mode, self.percent)})


class TighterOutlierDetection(UpstreamChange):
    """Ejects endpoints, and sooner than declared. `max_ejection_percent` may rise: to let the bad ones out is
    what it is for; beyond `healthy_panic_threshold` Envoy sends requests to ejected ones again.
    """

    kind: Literal["outlier_detection"] = "outlier_detection"
    consecutive_failures: int | None = Field(default=None, ge=1)
    interval: Duration | None = None
    max_ejection_percent: int | None = Field(default=None, ge=1, le=100)
    failure_percentage: FailurePercentage | None = None

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/outlier_detection"

    @property
    def words(self) -> str:
        how = listed(
            consecutive_failures=self.consecutive_failures, max_ejection_percent=self.max_ejection_percent
        )
        return f"eject endpoints of {self.upstream} sooner{': ' if how else ''}{how}"

    def _laid(self, given: Upstream) -> Upstream:
        found = given.outlier_detection
        sooner = {
            "enabled": True,
            "consecutive_failures": tighter(found.consecutive_failures, self.consecutive_failures),
            "interval": tighter(found.interval, self.interval),
            "max_ejection_percent": max(found.max_ejection_percent, self.max_ejection_percent or 0),
            "failure_percentage": self.failure_percentage or found.failure_percentage,
        }
        return given.model_copy(update={"outlier_detection": found.model_copy(update=sooner)})


class Balancing(UpstreamChange):
    """Each request goes by this policy, whatever connection or visitor it came with: no hash pins it."""

    kind: Literal["lb_policy"] = "lb_policy"
    lb_policy: Literal["least_request", "round_robin", "random"] = "least_request"

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/lb_policy"

    @property
    def words(self) -> str:
        return f"balance {self.upstream} by {self.lb_policy}"

    def _laid(self, given: Upstream) -> Upstream:
        return given.model_copy(update={"lb_policy": self.lb_policy, "hash_on": None})


class UpstreamCycling(UpstreamChange):
    """Connections to the endpoints end after so many requests or so long; requests under way end on them.

    It finds the other backends behind a layer-4 balancer or a name with many addresses.
    """

    kind: Literal["upstream_cycling"] = "upstream_cycling"
    max_requests_per_connection: int | None = Field(default=None, ge=1)
    max_connection_duration: Duration | None = None

    @model_validator(mode="after")
    def _some_end(self) -> Self:
        _needs_some(self, "max_requests_per_connection", "max_connection_duration")
        return self

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/connection"

    @property
    def words(self) -> str:
        ends = listed(
            max_requests_per_connection=self.max_requests_per_connection,
            max_connection_duration=self.max_connection_duration,
        )
        return f"end connections to {self.upstream}: {ends}"

    def _laid(self, given: Upstream) -> Upstream:
        found = given.connection
        ends = {
            "max_requests_per_connection": tighter(
                found.max_requests_per_connection, self.max_requests_per_connection
            ),
            "max_connection_duration": tighter(found.max_connection_duration, self.max_connection_duration),
        }
        return given.model_copy(update={"connection": found.model_copy(update=ends)})


class Drain(UpstreamChange):
    """New requests go to other endpoints; those under way end. Never leaves an upstream without endpoints."""

    kind: Literal["drain"] = "drain"
    endpoints: tuple[str, ...] = Field(min_length=1)

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/endpoints"

    @property
    def words(self) -> str:
        return f"send no new requests to {', '.join(self.endpoints)} of {self.upstream}"

    def check(self, tier: Tier) -> None:
        given = upstream(tier, self.upstream)
        if given.discovery == "registry":
            return  # its endpoints come and go, and a drain of one that went does no harm
        labels = {endpoint.label for endpoint in given.endpoints}
        if not all(is_ip(endpoint.address) for endpoint in given.endpoints):
            raise Invalid([("endpoints", f"{given.name} is found by DNS: take its endpoints out there")])
        unknown = [label for label in self.endpoints if label not in labels]
        if unknown:
            raise Invalid([("endpoints", f"{given.name} has no endpoint {', '.join(unknown)}")])
        if labels <= set(self.endpoints):
            raise Invalid([("endpoints", f"{given.name} would have no endpoint left")])

    def _laid(self, given: Upstream) -> Upstream:
        return _drained(given, self.endpoints)


def _drained(given: Upstream, labels: Collection[str]) -> Upstream:
    """Where a registry took all others away, the drained ones serve again: few are better than none."""
    left = tuple(endpoint for endpoint in given.endpoints if endpoint.label not in labels)
    return given.model_copy(update={"endpoints": left}) if left else given


def _needs_some(patch: UpstreamChange, *names: str) -> None:
    if all(getattr(patch, name) is None for name in names):
        raise ValueError(f"needs at least one of {', '.join(names)}")
