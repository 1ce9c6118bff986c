"""The running lab as a drill reaches it: the tier that fronts it, its faults and its counts. Nothing else is
ever drilled.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import requests
from asgiref.sync import sync_to_async
from django.utils import timezone

import proxy.selectors
import proxy.services
from audit.domain.actor import automation
from lab import ports
from lab.backends import GRPC_BACKENDS, HTTP_BACKENDS
from proxy.domain.errors import UnknownTier
from proxy.domain.tier import Tier

TIER = "edge"
SECONDS = 5.0
BY = automation("drills")
Change = Callable[[dict[str, Any]], None]
"""What is changed in a tier's declaration, in place."""
BACKENDS = frozenset(row[1] for row in (*HTTP_BACKENDS, *GRPC_BACKENDS))


class NoLab(Exception):
    """There is no lab here to drill; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Lab:
    """The sample tier and the control port of its backends."""

    tier: Tier
    url: str

    async def fault(self, backend: str, **fault: Any) -> None:
        """Breaks a backend or an upstream: see `lab.faults.Fault`. `heal` mends it."""
        await asyncio.to_thread(self._ask, "POST", "/faults", {"backend": backend, **fault})

    async def heal(self, backend: str) -> None:
        await asyncio.to_thread(self._ask, "DELETE", f"/faults?backend={backend}")

    async def counts(self) -> dict[str, dict[str, Any]]:
        """Of each backend: requests in all, first attempts, retries, failed, in the last second."""
        counts: dict[str, dict[str, Any]] = (await asyncio.to_thread(self._ask, "GET", "/counts"))["counts"]
        return counts

    @asynccontextmanager
    async def broken(self, backend: str, **fault: Any) -> AsyncIterator[None]:
        """A fault for the length of the block."""
        try:
            await self.fault(backend, **fault)
            yield
        finally:
            await self.heal(backend)

    @asynccontextmanager
    async def declared(self, change: Change, undo: Change, *, reason: str) -> AsyncIterator[None]:
        """The tier declared otherwise for the length of the block.

        `undo` takes the change away whatever was there before: also what a drill that died had left.
        """
        try:
            await sync_to_async(self._declare)(change, reason)
            yield
        finally:
            await sync_to_async(self._declare)(undo, f"{reason} is over")

    def _declare(self, change: Change, reason: str) -> None:
        declaration = proxy.selectors.base(self.tier.name).declaration()
        change(declaration)
        proxy.services.apply(document={"tiers": [declaration]}, by=BY, reason=reason, now=timezone.now())

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = requests.request(method, f"{self.url}{path}", json=body, timeout=SECONDS)
        answer.raise_for_status()
        return answer.json()


def of_make_up(environment: Mapping[str, str]) -> str:
    """Where `make up` has its lab on this machine. Raises BadPort."""
    return f"http://127.0.0.1:{ports.port('LAB_CONTROL_PORT', environment)}"


def lab(url: str) -> Lab:
    """The lab whose control port is there.

    Raises NoLab where none is configured or answers, or where the tier's backends are not the lab's: whatever
    else is at that port, this tier carries somebody's traffic.
    """
    if not url:
        raise NoLab("this Sluice runs no lab (SLUICE_LAB_URL is not set), and drills are for the lab only")
    url = url.rstrip("/")
    try:
        answer = requests.get(f"{url}/faults", timeout=SECONDS)
        known = frozenset(answer.json()) if answer.ok else frozenset()
    except requests.RequestException:
        raise NoLab(
            f"no lab answers at {url}: drills are for the lab only. Start it with `make up`"
        ) from None
    try:
        tier = proxy.selectors.base(TIER)
    except UnknownTier:
        raise NoLab(f"there is no tier {TIER} in this database: start the lab with `make up`") from None
    fronted = {endpoint.label for upstream in tier.upstreams for endpoint in upstream.endpoints}
    if strangers := sorted(fronted - (known & BACKENDS)):
        raise NoLab(
            f"tier {TIER} has backends that are not the lab's ({', '.join(strangers)}): it is not drilled"
        )
    return Lab(tier, url)
