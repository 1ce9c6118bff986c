"""One side of a drill: Envoys from a declared tier, the lab's backends in this process, and their end."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import requests

from lab import ports
from lab.backends import GreeterBackend, HttpBackend
from lab.drills import processes
from lab.faults import HEALTHY, Fault
from proxy import pki, schema
from proxy.domain.tier import Tier
from proxy.domain.translate.secrets import TICKET_KEY_BYTES, Material
from proxy.domain.translate.standalone import alone

PATIENCE_SECONDS = 5.0
PROXY_PORTS = ("http_port", "https_port", "admin_port")
WORKER = "wrk:"
"""Envoy's threads that serve clients are called so."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Envoy:
    """A proxy that runs."""

    http_port: int
    https_port: int
    admin_port: int
    pid: int

    async def stat(self, name: str) -> int:
        """One of Envoy's own counters or gauges by its whole name, summed over those that have it."""
        found = await asyncio.to_thread(self._stats, f"^{name}$")
        return sum(int(each.get("value", 0)) for each in found)

    def _stats(self, pattern: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.admin_port}/stats"
        query = {"filter": pattern, "format": "json"}
        stats: list[dict[str, Any]] = requests.get(url, params=query, timeout=PATIENCE_SECONDS).json()[
            "stats"
        ]
        return stats

    def cpu_seconds(self) -> float:
        """What its workers have run so far."""
        return processes.cpu_seconds(self.pid, WORKER)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A proxy that could be started: its ports by their names in a tier's file, its command, its secrets."""

    name: str
    ports: Mapping[str, int]
    argv: Sequence[str]
    material: Material


class World:
    """Ends whatever it started, in reverse order, when the block ends. `scale` 1 is the whole load."""

    def __init__(self, folder: Path, *, scale: float = 1.0) -> None:
        self.folder = folder
        self._scale = scale
        self._parts = AsyncExitStack()
        self._proxies = 0

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    def count(self, whole: int) -> int:
        """A number of requests or connections, at this world's scale; one at least."""
        return max(1, round(whole * self._scale))

    def seconds(self, whole: float) -> float:
        """A length of time, at this world's scale."""
        return whole * self._scale

    async def enter(self, part: AbstractAsyncContextManager[T]) -> T:
        return await self._parts.enter_async_context(part)

    def enter_sync(self, part: AbstractContextManager[T]) -> T:
        return self._parts.enter_context(part)

    async def backend(self, name: str, *, median_ms: float = 2.0, fault: Fault = HEALTHY) -> HttpBackend:
        """A lab backend on HTTP/1.1: `counts` tells what reached it, `apply` changes its fault."""
        made = HttpBackend(_upstream(name), name, ports.free(1)[0], median_ms)
        self._parts.push_async_callback(made.close)
        await made.apply(fault)
        return made

    async def greeter(self, name: str, *, median_ms: float = 2.0, fault: Fault = HEALTHY) -> GreeterBackend:
        """A lab backend that speaks gRPC."""
        made = GreeterBackend(_upstream(name), name, ports.free(1)[0], median_ms)
        self._parts.push_async_callback(made.close)
        await made.apply(fault)
        return made

    async def envoy(
        self, declared: Mapping[str, Any], *, material: Material | None = None, workers: int = 1
    ) -> Envoy:
        """A proxy with so many workers of a tier that is declared without name and proxies. Raises
        NotStarted.

        The declaration is a dictionary as in a tier's file; wrong, it raises pydantic's ValidationError.
        """
        made = self.prepared(declared, material=material, workers=workers)
        log = self.folder / f"{made.name}.log"
        start = processes.running(made.argv, log=log, ready=lambda: processes.live(made.ports["admin_port"]))
        return Envoy(**made.ports, pid=await self.enter(start))

    def prepared(
        self,
        declared: Mapping[str, Any],
        *,
        material: Material | None = None,
        workers: int = 1,
        bind: str = "127.0.0.1",
    ) -> Prepared:
        """What starts such a proxy, for who starts it elsewhere; it takes clients at the address `bind`."""
        self._proxies += 1
        name = f"proxy-{self._proxies}"
        held = dict(zip(PROXY_PORTS, ports.free(len(PROXY_PORTS)), strict=True))
        proxy = {"name": name, "bind": bind, **held}
        tier = Tier.model_validate({"name": "drill", "proxies": [proxy], **declared})
        config, given = self.folder / f"{name}.json", material or _material(tier)
        _write(config, json.dumps(alone(tier, tier.proxies[0], given)))
        argv = [str(schema.binary()), "-c", str(config), "--concurrency", str(workers)]
        return Prepared(name, held, (*argv, "--disable-hot-restart", "-l", "warning"), given)


def _write(file: Path, text: str) -> None:
    """For its owner's eyes: it bears a private key."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)


def _material(tier: Tier) -> Material:
    """A certificate of its own for the tier's hosts, and one ticket key."""
    hosts = [host for route in tier.routes for host in route.hosts]
    certificate, key = pki.issue(hosts or ["drill.test"], now=datetime.now(UTC))
    return Material(certificate.decode(), key.decode(), (os.urandom(TICKET_KEY_BYTES),))


def _upstream(name: str) -> str:
    return name.rpartition("-")[0] or name
