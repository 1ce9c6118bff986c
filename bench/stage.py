"""The whole real system for benchmarks of rollouts: on PostgreSQL, under the lab's load, from outside."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support.postgresql import Server, postgresql_server
from tests.support.processes import wait_until
from tests.support.running import Running, running

ROUTE, STABLE, CANARY = "shop", "shop-v1", "shop-v2"
BACKENDS = {STABLE: ("shop-v1-a", "shop-v1-b"), CANARY: ("shop-v2-a",)}
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.2
"""Seldom enough that asking takes nothing from what is measured."""
SETTLED = 150
"""So many requests of the stable arm without one of the canary: no proxy sends it any."""


@dataclass(frozen=True, slots=True)
class Clients:
    """What the clients saw on all routes: answers that were none or no success, and requests held back
    since a proxy took no connection or too many others were waiting."""

    failed: int
    unsent: int

    def since(self, before: "Clients") -> "Clients":
        return Clients(self.failed - before.failed, self.unsent - before.unsent)


@dataclass(frozen=True, slots=True)
class Stage:
    """The system that runs, and the server of its database."""

    system: Running
    database: Server

    def begin(self, plan: Mapping[str, Any], why: str) -> int:
        """A rollout of the canary, whose steps it takes by itself; its number."""
        body = {"route": ROUTE, "upstream": CANARY, "mode": "auto", "plan": dict(plan), "reason": why}
        return int(self.system.post("rollouts", body)["id"])

    def break_arm(self, arm: str, **fault: Any) -> None:
        """Straight at the lab: Sluice is not asked, and has no part in the time that is measured."""
        self.system.lab("POST", "/faults", {"backend": arm, **fault})

    def served(self, arm: str) -> int:
        """Requests that the arm's backends got so far."""
        return sum(int(self.system.counts(name)["total"]) for name in BACKENDS[arm])

    def wait_served(self, arm: str, requests_more: int) -> None:
        """Until the arm has got so many more."""
        wanted = self.served(arm) + requests_more
        wait_until(
            lambda: self.served(arm) >= wanted,
            timeout=PATIENCE_SECONDS,
            what=f"{requests_more} requests at {arm}",
            every=POLL_SECONDS,
        )

    def clients(self) -> Clients:
        url = self.system.stack.place.url("LAB_TRAFFIC_PORT", "/outcomes")
        seen = requests.get(url, timeout=PATIENCE_SECONDS).json()
        failed = sum(row["count"] for row in seen["answers"] if row["status"] not in ("200", "OK"))
        return Clients(failed, sum(seen["skipped"].values()))

    def calm(self) -> None:
        """No fault, no live rollout, the sample tier as it is declared, and no request at the canary."""
        self.system.heal()
        for rollout in self.system.get("rollouts?live=true"):
            self.system.api(
                "POST", f"rollouts/{rollout['id']}/rollback", {"reason": "bench: the next begins"}
            )
        wait_until(
            lambda: not self.system.get("rollouts?live=true"),
            timeout=PATIENCE_SECONDS,
            what="no live rollout",
        )
        self.system.stack.manage("apply", "lab/edge.yaml", "--by", "bench")
        wait_until(self._left_alone, timeout=PATIENCE_SECONDS, what="no request at the canary")

    def _left_alone(self) -> bool:
        before = self.served(CANARY)
        self.wait_served(STABLE, SETTLED)
        return self.served(CANARY) == before


@contextlib.contextmanager
def stage(folder: Path, rps: int) -> Iterator[Stage]:
    """`lab.stack` on free ports with so many requests a second over all routes, and its database."""
    with (
        postgresql_server() as database,
        running(folder, DATABASE_URL=database.url, LAB_TRAFFIC_RPS=str(rps)) as system,
    ):
        yield Stage(system, database)
