"""Many proxies on one ADS server: how soon all of them acknowledge a change, and what memory each costs."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils import timezone

from bench.clients import ACKED, Group
from bench.control import ROOT, TIER, Overlays, Plane, plane, wait_acked
from bench.figures import Figure, Target, figure
from bench.parts import resident_bytes
from bench.sizes import Size
from proxy import identities, selectors
from proxy.ads.conversation import WILDCARD
from proxy.domain.tier import WEIGHT_TOTAL, Tier
from proxy.domain.translate import resources
from proxy.domain.translate.secrets import Material
from tests.support.processes import started, wait_until

BENCH = "scale"
GROUPS = 4
WITHIN_SECONDS = Target("at most", 3)
ROUTES = 10
PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class Crowd:
    """The processes of clients, by what they wrote so far."""

    logs: Sequence[Path]
    _known: int = 0

    def acked(self) -> float:
        """When the last client acknowledged the next version, by the monotonic clock in seconds."""
        self._known += 1
        wait_until(
            lambda: all(len(_lines(log)) >= self._known for log in self.logs),
            timeout=PATIENCE_SECONDS,
            what=f"version {self._known} acknowledged by every client",
        )
        return max(float(_lines(log)[self._known - 1].split()[2]) for log in self.logs)


def run(size: Size, folder: Path) -> list[Figure]:
    """Changes of one weight, one after the other, each when the one before is recorded."""
    declared = _tier(size.clients)
    name = f"{size.clients:,} clients"
    with plane(folder / "plane") as control, control.database(), contextlib.ExitStack() as stack:
        began = time.monotonic()
        control.declare(declared)
        applied = time.monotonic() - began
        server = stack.enter_context(control.serving())
        alone = _rendered_bytes(server, control.var / "xds.log")
        crowd = stack.enter_context(_crowd(control, declared))
        crowd.acked()
        wait_acked(selectors.generation(TIER))
        each = (resident_bytes(server) - alone) / size.clients / 1024
        overlays = Overlays("route/route-0/weights")
        changes = [_change(crowd, overlays, number) for number in range(size.client_changes)]
    sent, recorded = zip(*changes, strict=True)
    return [
        figure(BENCH, f"{name}: all acknowledge", "s", sent, WITHIN_SECONDS),
        figure(BENCH, f"{name}: all recorded", "s", recorded, WITHIN_SECONDS),
        figure(BENCH, f"{name}: memory of the server", "KiB/client", [each]),
        figure(BENCH, f"{name}: apply", "s", [applied]),
    ]


def _change(crowd: Crowd, overlays: Overlays, number: int) -> tuple[float, float]:
    """Seconds from the commit until all clients acknowledged, and until the database says so."""
    share = 100 + number  # a version of its own each time
    weights = {"stable": WEIGHT_TOTAL - share, "canary": share}
    generation = overlays.put({"kind": "weights", "route": "route-0", "weights": weights})
    committed = time.monotonic()
    acked = crowd.acked()
    wait_acked(generation)
    return acked - committed, time.monotonic() - committed


def _rendered_bytes(server: int, log: Path) -> int:
    """The server's memory once it is ready for the tier's proxies."""
    wait_until(
        lambda: f"tier {TIER}: generation" in log.read_text(),
        timeout=PATIENCE_SECONDS,
        what="the tier rendered",
    )
    return resident_bytes(server)


@contextlib.contextmanager
def _crowd(control: Plane, declared: dict[str, Any]) -> Iterator[Crowd]:
    """A client for each declared proxy, over a few processes."""
    tier = Tier.model_validate(declared)
    made = resources(base=tier, live=tier, proxy=tier.proxies[0].name, material=Material("", "", ()))
    names = {kind: [] if kind in WILDCARD else sorted(named) for kind, named in made.items() if named}
    with contextlib.ExitStack() as stack:
        logs = []
        for number in range(GROUPS):
            group = Group(control.ads, TIER, names, _identities(control, tier, number))
            file, log = control.var / f"clients-{number}.json", control.var / f"clients-{number}.log"
            file.write_text(group.document())
            argv = [sys.executable, "-m", "bench.clients", str(file)]
            stack.enter_context(started(argv, env=control.environment, log=log, cwd=ROOT))
            logs.append(log)
        yield Crowd(logs)


def _identities(control: Plane, tier: Tier, group: int) -> list[tuple[str, str, str, str]]:
    now, found = timezone.now(), []
    for proxy in tier.proxies[group::GROUPS]:
        made = identities.of_proxy(control.var / "pki", tier.name, proxy.name, now=now)
        found.append((proxy.name, made.certificate, made.key, made.authority))
    return found


def _tier(clients: int) -> dict[str, Any]:
    """Ports are of no importance: nothing listens there."""
    names = ("http_port", "https_port", "admin_port")
    return {
        "name": TIER,
        "proxies": [
            {
                "name": f"proxy-{number}",
                "address": f"10.0.{number // 250}.{number % 250 + 1}",
                **dict(zip(names, (80, 443, 9901), strict=True)),
            }
            for number in range(clients)
        ],
        "upstreams": [{"name": name, "endpoints": [{"port": 1}]} for name in ("stable", "canary")],
        "routes": [
            {
                "name": f"route-{number}",
                "hosts": ["bench.test"],
                "prefix": f"/r{number}/",
                "split": {"stable": WEIGHT_TOTAL, "canary": 0},
            }
            for number in range(ROUTES)
        ],
    }


def _lines(log: Path) -> list[str]:
    """Of acknowledgements; what gRPC complains about goes to the same file."""
    return [line for line in log.read_text().splitlines() if line.startswith(ACKED)]
