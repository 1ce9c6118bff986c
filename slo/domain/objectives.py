"""What an objective is, which ones a tier gets when it declares none, and what is wrong with one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from proxy.domain.tier import Tier
from slo.domain.windows import Severity

Kind = Literal["proxy_availability", "added_latency", "route_availability"]

# The edges of the proxies' added-latency histogram that are recorded, in microseconds. A threshold
# between two edges cannot be counted exactly, so it is refused.
EDGES_US = (500, 1000, 2000, 3000, 5000, 10_000, 25_000)
DEFAULT_RUNBOOK = "slo-burn"
# A gateway stands before every service: it may spend at most this share of what a service may.
GATEWAY_SHARE = Decimal("0.2")


class BadObjective(ValueError):
    """An objective that cannot be measured; the message says what would work."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A target for the share of good events (0 to 1). `route` empty: the whole tier."""

    tier: str
    name: str
    kind: Kind
    target: Decimal
    route: str = ""
    threshold_us: int | None = None
    period: timedelta = timedelta(days=30)
    owner: str = ""
    severity: Severity = "page"
    runbook: str = DEFAULT_RUNBOOK

    @property
    def allowed(self) -> Decimal:
        """The share of events that may be bad."""
        return 1 - self.target


def check(objective: Objective) -> None:
    """Raises BadObjective for a threshold that lies between two edges of the histogram."""
    if objective.threshold_us is None or objective.threshold_us in EDGES_US:
        return
    below = max((edge for edge in EDGES_US if edge < objective.threshold_us), default=None)
    above = min((edge for edge in EDGES_US if edge > objective.threshold_us), default=None)
    nearest = " or ".join(f"{edge / 1000:g} ms" for edge in (below, above) if edge is not None)
    raise BadObjective(
        f"{objective.threshold_us / 1000:g} ms lies between two edges of the histogram; use {nearest}"
    )


def of_tier(tier: Tier) -> tuple[Objective, ...]:
    """The objectives that the tier declares; the defaults when it declares none."""
    if not tier.objectives:
        return tuple(_defaults(tier))
    return tuple(
        Objective(
            tier=tier.name,
            name=declared.name,
            kind=declared.kind,
            # Through the text that the person wrote: 99.95 is not a binary fraction.
            target=Decimal(str(declared.target)) / 100,
            route=declared.route or "",
            threshold_us=_microseconds(declared.threshold_ms),
            period=timedelta(days=declared.window_days),
            owner=declared.owner,
            runbook=declared.runbook or DEFAULT_RUNBOOK,
        )
        for declared in tier.objectives
    )


def _microseconds(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1000)


def _defaults(tier: Tier) -> Iterator[Objective]:
    yield Objective(tier.name, "proxy-availability", "proxy_availability", Decimal("0.9995"))
    yield Objective(tier.name, "added-latency", "added_latency", Decimal("0.99"), threshold_us=3000)
    for route in tier.routes:
        name = f"{route.name}-availability"
        yield Objective(tier.name, name, "route_availability", Decimal("0.995"), route=route.name)


def too_loose(gateway: Objective, others: Sequence[Objective]) -> tuple[str, ...]:
    """The names of the route objectives that this gateway objective is not strict enough for (O1)."""
    if gateway.kind != "proxy_availability":
        return ()
    return tuple(
        other.name
        for other in others
        if other.kind == "route_availability"
        and other.tier == gateway.tier
        and gateway.route in ("", other.route)
        and gateway.allowed > GATEWAY_SHARE * other.allowed
    )
