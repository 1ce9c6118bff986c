"""Traffic of a `World` as Prometheus would tell it, by what the proxies run; and a tier that declares capacity."""

from dataclasses import dataclass, field
from datetime import datetime

import proxy.services
from canary import services
from telemetry.domain import capacity
from tests.canary.factories import ANN, PROXIES, World
from tests.proxy.factories import document

ENDPOINTS = 10


def declare(world: World, rps: float | None, *, weights: dict[str, int] | None = None) -> None:
    """Ten endpoints of shop-v1 that take `rps` each."""
    endpoints = [{"port": 11100 + number} for number in range(ENDPOINTS)]
    stable = {"name": "shop-v1", "endpoints": endpoints, **({"capacity_rps": rps} if rps else {})}
    others = [
        {"name": name, "endpoints": [{"port": port}]} for name, port in (("shop-v2", 1), ("payments", 2))
    ]
    declared = document(upstreams=[stable, *others])
    proxy.services.apply(document=declared, by=ANN, reason="capacity", now=world.now)


@dataclass
class Traffic:
    """The route's requests per second, what shop-v1 serves besides, and how many endpoints are healthy."""

    world: World
    route: float = 200.0
    besides: float = 0.0
    healthy: int = ENDPOINTS
    known: bool = True
    served: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        metrics = self.world.metrics
        metrics.answer(capacity.attempts(), self._rates)
        metrics.answer(capacity.firsts(), self._rates)
        metrics.answer(capacity.healthy(), self._healthy)

    def split(self) -> dict[str, int]:
        """What the proxies run."""
        return self.world.admin.weights(PROXIES["edge-1"], "shop") or {}

    def stable(self) -> float:
        """What shop-v1 gets now."""
        return self.besides + self.route * self.split().get("shop-v1", 0) / 10_000

    def measure(self) -> None:
        services.measure(metrics=self.world.metrics, now=self.world.now)

    def run(self, seconds: int) -> None:
        """Let time pass, measured each second."""
        for _ in range(seconds):
            self.measure()
            self.world.run(1)
            self.served.append((self.stable(), self.split().get("shop-v2", 0)))

    def _rates(self, at: datetime) -> list[tuple[dict[str, str], float]]:
        if not self.known:
            return []
        where = {"tier": "edge", "route": "shop"}
        rates = [({**where, "arm": arm}, self.route * share / 10_000) for arm, share in self.split().items()]
        return [*rates, ({"tier": "edge", "route": "payments", "arm": "shop-v1"}, self.besides)]

    def _healthy(self, at: datetime) -> list[tuple[dict[str, str], float]]:
        counts = {"shop-v1": float(self.healthy), "shop-v2": 1.0}
        return [({"tier": "edge", "envoy_cluster_name": name}, count) for name, count in counts.items()]
