"""What the tier is held to: a target for a share of good events. The slo app owns its meaning."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier.fields import Declared

ObjectiveKind = Literal[
    "proxy_availability",
    "route_availability",
    "backend_availability",
    "added_latency",
    "total_latency",
    "backend_latency",
    "first_attempts",
    "saturation",
    "tls_handshakes",
    "tls_resumption",
    "tls_fresh",
    "retries",
    "retry_budget",
    "ratio",
    "gauge",
]
Resource = Literal["connections", "worker_cpu", "memory", "buffers", "pool"]
Calendar = Literal["week", "month", "quarter"]
ObjectiveName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,78}[a-z0-9])?$")]
"""Longer than other names: who writes out a route's default objective calls it `ROUTE-availability`."""

_LATENCIES = ("added_latency", "total_latency", "backend_latency")
_BOUNDED = ("saturation", "tls_resumption", "tls_fresh", "gauge")
_PLACES: dict[str, tuple[str, ...]] = {
    "proxy_availability": ("", "route"),
    "route_availability": ("route",),
    "backend_availability": ("route", "upstream"),
    "added_latency": ("", "route"),
    "total_latency": ("", "route"),
    "backend_latency": ("upstream",),
    "first_attempts": ("route",),
    "retries": ("", "route", "upstream"),
    "retry_budget": ("", "upstream"),
    "ratio": ("", "route", "upstream"),
    "gauge": ("", "route", "upstream"),
}
"""What each kind is measured of; "" is the whole tier, which is all of those that are not named here."""
_SPOKEN = {"": "the whole tier", "route": "a route", "upstream": "an upstream"}


class Objective(Declared):
    """A target that the tier, a route or an upstream is held to.

    `target` is in percent. Of `bad`, `good`, `total` and `gauge` each is PromQL that gives one series:
    events per second for the first three.
    """

    name: ObjectiveName
    kind: ObjectiveKind
    description: str = Field(default="", max_length=500)
    target: float = Field(gt=0, lt=100)
    route: str | None = None
    upstream: str | None = None
    threshold_ms: float | None = Field(default=None, gt=0)
    resource: Resource | None = None
    bad: str | None = Field(default=None, min_length=1, max_length=2000)
    good: str | None = Field(default=None, min_length=1, max_length=2000)
    total: str | None = Field(default=None, min_length=1, max_length=2000)
    gauge: str | None = Field(default=None, min_length=1, max_length=2000)
    at_most: float | None = None
    at_least: float | None = None
    window_days: int = Field(default=30, ge=1, le=90)
    calendar: Calendar | None = None
    owner: str = ""
    severity: Literal["page", "ticket"] = "page"
    runbook: str = ""

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> Self:
        """Each kind has the fields that it needs and no others, which would be obeyed by nobody."""
        self._belongs("threshold_ms", *_LATENCIES)
        self._belongs("resource", "saturation")
        self._belongs("total", "ratio")
        self._belongs("gauge", "gauge")
        if (self.kind == "ratio") != ((self.bad is None) != (self.good is None)):
            raise ValueError("kind ratio, and only it, needs either bad or good beside total")
        return self

    @model_validator(mode="after")
    def _is_measured_of_its_place(self) -> Self:
        if self.route is not None and self.upstream is not None:
            raise ValueError("an objective is of a route or of an upstream: name one of them")
        place = "route" if self.route is not None else "upstream" if self.upstream is not None else ""
        places = _PLACES.get(self.kind, ("",))
        if self.kind == "saturation" and self.resource == "pool":
            places = ("upstream",)
        if place not in places:
            needed = " or ".join(_SPOKEN[each] for each in places)
            raise ValueError(f"kind {self.kind} is of {needed}, not of {_SPOKEN[place]}")
        return self

    @model_validator(mode="after")
    def _bound_is_one_sided(self) -> Self:
        sides = [side for side in ("at_most", "at_least") if getattr(self, side) is not None]
        wanted = {"saturation": "at_most", "tls_fresh": "at_most", "tls_resumption": "at_least"}.get(
            self.kind
        )
        if self.kind not in _BOUNDED and sides:
            raise ValueError(f"{sides[0]} belongs to the kinds {', '.join(_BOUNDED)}")
        if wanted and sides != [wanted]:
            raise ValueError(f"kind {self.kind} needs {wanted}, and only that")
        if self.kind == "gauge" and len(sides) != 1:
            raise ValueError("kind gauge needs at_most or at_least, one of them")
        bound = self.at_least if self.at_most is None else self.at_most
        if self._bound_is_a_share() and bound is not None and not 0 < bound <= 1:
            raise ValueError(f"{wanted} is a share of 1: 0.8 are 80 % (given: {bound:g})")
        return self

    def _bound_is_a_share(self) -> bool:
        if self.kind == "saturation":
            return self.resource != "buffers"  # which are bytes
        return self.kind == "tls_resumption"

    @model_validator(mode="after")
    def _period_is_one(self) -> Self:
        if self.calendar is not None and "window_days" in self.model_fields_set and self.window_days != 30:
            raise ValueError("a period is a calendar's or rolls over window_days: name one of them")
        return self

    def _belongs(self, field: str, *kinds: str) -> None:
        given = getattr(self, field) is not None
        if self.kind in kinds and not given:
            raise ValueError(f"kind {self.kind} needs {field}")
        if given and self.kind not in kinds:
            raise ValueError(f"{field} belongs to kind {' and '.join(kinds)}, and only there")


Share = Annotated[float, Field(ge=0, lt=100)]


class BudgetPolicy(Declared):
    """What is done when so many percent of an error budget are left; null: never."""

    tell: Share | None = 50
    approve: Share | None = 25
    freeze: Share | None = 0

    @model_validator(mode="after")
    def _is_stricter_with_less(self) -> Self:
        given = [each for each in (self.tell, self.approve, self.freeze) if each is not None]
        if given != sorted(given, reverse=True):
            raise ValueError("the less is left the stricter: tell >= approve >= freeze")
        return self
