"""What an objective is, which ones a tier gets when it declares none, and what is wrong with one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from proxy.domain.tier import Calendar, ObjectiveKind, Resource, Tier
from proxy.domain.tier import Objective as Declared
from proxy.domain.translate.measuring import BUCKETS_MS, BUCKETS_US
from slo.domain.windows import TIERS, Severity

Kind = ObjectiveKind

NOMINAL: dict[Calendar, timedelta] = {
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "quarter": timedelta(days=90),
}
"""What a calendar's period is taken for by alert factors, so that February has those of March."""

EDGES_US: Mapping[str, Sequence[int]] = {
    "added_latency": BUCKETS_US,
    "total_latency": BUCKETS_US,
    "backend_latency": [round(edge * 1000) for edge in BUCKETS_MS],
}
"""The edges of the histograms, in microseconds: a threshold between two of them cannot be counted exactly."""
DEFAULT_RUNBOOK = "slo-burn"
# A gateway stands before every service: it may spend at most this share of what a service may.
GATEWAY_SHARE = Decimal("0.2")


class BadObjective(ValueError):
    """An objective that cannot be measured or defended: which `field`, and what would work."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Objective:
    """A target for the share of good events (0 to 1), of a route, an upstream, or the whole tier.

    `period` rolls, or is the nominal length of a `calendar`'s period. `bad`, `good`, `total` and `gauge` are
    PromQL of one series; a gauge is good while it is `at_most` or `at_least` its bound.
    """

    tier: str
    name: str
    kind: Kind
    target: Decimal
    route: str = ""
    upstream: str = ""
    threshold_us: int | None = None
    resource: Resource | None = None
    bad: str = ""
    good: str = ""
    total: str = ""
    gauge: str = ""
    at_most: Decimal | None = None
    at_least: Decimal | None = None
    period: timedelta = timedelta(days=30)
    calendar: Calendar | None = None
    owner: str = ""
    severity: Severity = "page"
    runbook: str = DEFAULT_RUNBOOK
    description: str = ""

    @property
    def allowed(self) -> Decimal:
        """The share of events that may be bad."""
        return 1 - self.target


def rolling(objective: Objective) -> tuple[timedelta, ...]:
    """The period as a window that Prometheus records; a calendar's has none."""
    return () if objective.calendar else (objective.period,)


def check(objective: Objective) -> None:
    """Raises BadObjective for a threshold between two edges, and for a target that nothing can defend."""
    _check_threshold(objective)
    _check_defence(objective)


def _check_threshold(objective: Objective) -> None:
    edges, threshold = EDGES_US.get(objective.kind, ()), objective.threshold_us
    if threshold is None or threshold in edges:
        return
    below = max((edge for edge in edges if edge < threshold), default=None)
    above = min((edge for edge in edges if edge > threshold), default=None)
    nearest = " or ".join(f"{edge / 1000:g} ms" for edge in (below, above) if edge is not None)
    raise BadObjective(
        "threshold_ms",
        f"{threshold / 1000:g} ms lies between two edges of the histogram; use {nearest}",
    )


def _check_defence(objective: Objective) -> None:
    """A tier can fire only if an outage burns faster than its factor: `target > 1 - 1 / factor`."""
    tiers = [tier for tier in TIERS if tier.severity == objective.severity]
    least = min(tier.factor(objective.period) for tier in tiers)
    if objective.target > 1 - 1 / least:
        return
    needed = 100 * (1 - 1 / least)
    raise BadObjective(
        "target",
        f"no {objective.severity} can defend {100 * objective.target:f} % over"
        f" {objective.period.days} d: even an outage burns at {1 / objective.allowed:.2f}x, and the slowest"
        f" {objective.severity} fires at {least:.2f}x; promise more than {needed:.2f} %"
        + ("" if objective.severity == "ticket" else ", or make it a ticket"),
    )


def of_tier(tier: Tier) -> tuple[Objective, ...]:
    """The objectives that the tier declares; the defaults when it declares none."""
    if not tier.objectives:
        return tuple(_defaults(tier))
    return tuple(declared_as(tier.name, declared) for declared in tier.objectives)


def declared_as(tier: str, declared: Declared) -> Objective:
    """What a tier of this name declares by it."""
    calendar = declared.calendar
    return Objective(
        tier=tier,
        name=declared.name,
        kind=declared.kind,
        target=Decimal(str(declared.target)) / 100,
        route=declared.route or "",
        upstream=declared.upstream or "",
        threshold_us=_microseconds(declared.threshold_ms),
        resource=declared.resource,
        bad=declared.bad or "",
        good=declared.good or "",
        total=declared.total or "",
        gauge=declared.gauge or "",
        at_most=exact(declared.at_most),
        at_least=exact(declared.at_least),
        period=NOMINAL[calendar] if calendar else timedelta(days=declared.window_days),
        calendar=calendar,
        owner=declared.owner,
        severity=declared.severity,
        runbook=declared.runbook or DEFAULT_RUNBOOK,
        description=declared.description,
    )


def exact(written: float | None) -> Decimal | None:
    """Through the text that the person wrote: 99.95 is not a binary fraction."""
    return None if written is None else Decimal(str(written))


def _microseconds(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * 1000)


def _defaults(tier: Tier) -> Iterator[Objective]:
    """What pages are the requests that fail or wait; what leads there is a ticket, told in office hours."""
    yield Objective(tier.name, "proxy-availability", "proxy_availability", Decimal("0.9995"))
    yield Objective(tier.name, "added-latency", "added_latency", Decimal("0.99"), threshold_us=3000)
    for route in tier.routes:
        name = f"{route.name}-availability"
        yield Objective(tier.name, name, "route_availability", Decimal("0.995"), route=route.name)
    yield from (replace(one, tier=tier.name) for one in _HEALTH)


def _health(name: str, kind: Kind, target: str, **more: Any) -> Objective:
    return Objective("", name, kind, Decimal(target), severity="ticket", **more)


_HEALTH = (
    _health("worker-cpu", "saturation", "0.99", resource="worker_cpu", at_most=Decimal("0.8")),
    _health("memory", "saturation", "0.999", resource="memory", at_most=Decimal("0.8")),
    _health("connections", "saturation", "0.999", resource="connections", at_most=Decimal("0.8")),
    _health("tls-handshakes", "tls_handshakes", "0.99"),
    _health("retry-budget", "retry_budget", "0.99"),
)
"""Of every tier: saturation, TLS and retry health (M3, M4, M5)."""


def too_loose(gateway: Objective, others: Sequence[Objective]) -> tuple[Objective, ...]:
    """The route objectives that this gateway objective is not strict enough for (O1)."""
    if gateway.kind != "proxy_availability":
        return ()
    return tuple(
        other
        for other in others
        if other.kind == "route_availability"
        and other.tier == gateway.tier
        and gateway.route in ("", other.route)
        and gateway.allowed > GATEWAY_SHARE * other.allowed
    )


def arithmetic(gateway: Objective, other: Objective) -> str:
    """Why the gateway's promise endangers the other's, in figures.

    What a request needs is both: the product of what the gateway keeps and what stands behind it.
    """
    most = GATEWAY_SHARE * other.allowed
    needed = other.target / gateway.target
    behind = "no service behind it can make up for that"
    if needed < 1:
        behind = f"what is behind it has to keep {_percent(needed)} for {_percent(other.target)} in all"
    return (
        f"{gateway.name} lets the gateway fail {_percent(gateway.allowed)} of requests; {other.name}"
        f" ({_percent(other.target)}) leaves it {_percent(most)}, a fifth of its budget: {behind}; promise"
        f" {_percent(1 - most)} or more"
    )


def looser(declared: Sequence[Objective]) -> Iterator[str]:
    """Each gateway objective that is looser than what stands behind it, with the arithmetic (O1)."""
    for gateway in declared:
        for other in too_loose(gateway, declared):
            yield arithmetic(gateway, other)


def _percent(share: Decimal) -> str:
    return f"{(100 * share).quantize(Decimal('0.0001')).normalize():f} %"
