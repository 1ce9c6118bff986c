"""A small real world: the lab's backends, the ADS server and two Envoys on free ports, with a database of
their own.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import environ
import requests
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from audit.domain.actor import Actor
from config.database import configured
from lab.ports import DEFAULTS
from proxy import selectors, services
from proxy.domain import document
from tests.proxy.factories import explained
from tests.support.envoy import command
from tests.support.processes import free_port, listening, started, wait_until

ROOT = Path(__file__).resolve().parents[2]
BY = Actor("ann", "cli")
SECONDS = 5.0
LONG = timedelta(minutes=10)


@dataclass
class World:
    """Where everything is, and short ways to act on it and to look at it."""

    ports: dict[str, int]
    var: Path
    database_url: str
    ads_ports: tuple[int, ...] = ()
    _ads: dict[int, contextlib.ExitStack] = field(default_factory=dict)
    _ads_processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _envoys: dict[str, contextlib.ExitStack] = field(default_factory=dict)
    _sessions: dict[str, requests.Session] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {name: str(port) for name, port in self.ports.items()} | {
            "SLUICE_VAR": str(self.var),
            "SLUICE_ADS_BIND": f"127.0.0.1:{self.ports['SLUICE_ADS_PORT']}",
            "DATABASE_URL": self.database_url,
        }

    def declared(self) -> dict[str, Any]:
        text = (ROOT / "lab" / "edge.yaml").read_text()
        return document.load(text, environment=self.environment)

    def apply(self, change: Mapping[str, Any] | None = None) -> int:
        """Declare the sample tier with the tier's fields in `change`; returns the generation."""
        declared = self.declared()
        declared["tiers"] = [explained({**declared["tiers"][0], **(change or {})})]
        services.apply(document=declared, by=BY, reason="test", now=timezone.now())
        return selectors.generation("edge")

    def put(self, patch: Mapping[str, Any], target: str, *, lasts: timedelta = LONG) -> tuple[int, int]:
        """Lay an overlay; returns its fence and the generation that contains it."""
        now = timezone.now()
        held = {"tier": "edge", "target": target, "owner": "test"}
        fence = services.lease(**held, until=now + lasts, by=BY, now=now)
        generation = services.put_overlay(
            **held, patch=patch, fence=fence, expires_at=now + lasts, by=BY, reason="test", now=now
        )
        return fence, generation

    def wait_acked(self, generation: int) -> None:
        wait_until(
            lambda: selectors.progress("edge", generation).complete,
            timeout=10,
            what=f"generation {generation} acknowledged by both",
        )

    def get(
        self, host: str, path: str = "/", *, proxy: str = "EDGE_1", method: str = "GET", **more: Any
    ) -> requests.Response:
        """One request to a proxy's plain port, over a kept connection."""
        session = self._sessions.setdefault(proxy, requests.Session())
        url = f"http://127.0.0.1:{self.ports[f'{proxy}_HTTP_PORT']}{path}"
        headers = {"Host": host, **more.pop("headers", {})}
        return session.request(method, url, headers=headers, timeout=SECONDS, **more)

    def log(self, name: str) -> str:
        """What a process of the world has written."""
        return (self.var / f"{name}.log").read_text()

    def reconnect(self) -> None:
        """Let go of kept connections: one that a proxy drains still has the filters that it began with."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def arms(self, count: int, *, proxy: str = "EDGE_1") -> dict[str, int]:
        """How many of so many requests to the shop each upstream answered."""
        found: dict[str, int] = {}
        for _ in range(count):
            upstream = self.get("shop.test", proxy=proxy).headers["x-lab-backend"].rpartition("-")[0]
            found[upstream] = found.get(upstream, 0) + 1
        return found

    def admin(self, proxy: str = "EDGE_1") -> str:
        return f"127.0.0.1:{self.ports[f'{proxy}_ADMIN_PORT']}"

    def metric(self, name: str, *, proxy: str = "EDGE_1", **labels: str) -> float:
        """The sum of the series of this name that bear these labels; 0 when there is none."""
        return sum(self.series(name, proxy=proxy, **labels))

    def series(self, name: str, *, proxy: str = "EDGE_1", **labels: str) -> list[float]:
        """The series of this name that bear these labels. As in PromQL, one that lacks a label has it empty."""
        text = requests.get(f"http://{self.admin(proxy)}/stats/prometheus", timeout=SECONDS).text
        found = re.findall(rf"^{name}(?:{{([^}}]*(?:}}[^}} ]*)*)}})? (\S+)$", text, re.MULTILINE)
        told = [(dict(re.findall(r'(\w+)="([^"]*)"', bears)), float(value)) for bears, value in found]
        return [
            value for bears, value in told if labels.items() <= {**dict.fromkeys(labels, ""), **bears}.items()
        ]

    def fault(self, backend: str, **fault: Any) -> None:
        answer = requests.post(f"{self._control}/faults", json={"backend": backend, **fault}, timeout=SECONDS)
        assert answer.status_code == 200, answer.text

    def counts(self, backend: str) -> dict[str, int]:
        counts: dict[str, int] = requests.get(f"{self._control}/counts", timeout=SECONDS).json()["counts"][
            backend
        ]
        return counts

    def calm(self) -> int:
        """The sample tier as declared, no overlay, no fault, both proxies up to date."""
        requests.delete(f"{self._control}/faults", timeout=SECONDS)
        for row in selectors.targets("edge"):
            services.delete_overlay(
                tier="edge",
                target=row.name,
                owner=row.owner,
                fence=row.fence,
                by=BY,
                reason="calm",
                now=timezone.now(),
            )
        generation = self.apply()
        self.wait_acked(generation)
        return generation

    @property
    def _control(self) -> str:
        return f"http://127.0.0.1:{self.ports['LAB_CONTROL_PORT']}"

    def manage(self, *argv: str, log: str, ready: Any = None) -> contextlib.AbstractContextManager[Any]:
        """A management command as a process of its own."""
        return started(
            [sys.executable, str(ROOT / "manage.py"), *argv],
            env=self.environment,
            log=self.var / log,
            ready=ready,
            cwd=ROOT,
        )

    def start_xds(self) -> None:
        """Every ADS server that is not there."""
        for port in self.ads_ports:
            if port not in self._ads:
                self.start_ads(port)

    def stop_xds(self) -> None:
        for port in list(self._ads):
            self.stop_ads(port)

    @contextlib.contextmanager
    def without_xds(self) -> Iterator[None]:
        """No ADS server is there; they are again afterwards, for the tests that follow a failed one, too."""
        self.stop_xds()
        try:
            yield
        finally:
            self.start_xds()

    def start_ads(self, port: int) -> None:
        log = "xds.log" if port == self.ads_ports[0] else f"xds-{port}.log"
        server = self.manage("xds", "--bind", f"127.0.0.1:{port}", log=log, ready=lambda: listening(port))
        stack = self._ads[port] = contextlib.ExitStack()
        self._ads_processes[port] = stack.enter_context(server)

    def stop_ads(self, port: int) -> None:
        self._ads.pop(port).close()

    def kill_ads(self, port: int) -> None:
        """It has no time to say anything."""
        self._ads_processes[port].kill()
        self.stop_ads(port)

    def start_envoy(self, proxy: str) -> None:
        self._envoys.setdefault(proxy, contextlib.ExitStack()).enter_context(self.envoy(proxy))

    def stop_envoy(self, proxy: str) -> None:
        self._envoys.pop(proxy, contextlib.ExitStack()).close()

    def envoy(self, proxy: str) -> contextlib.AbstractContextManager[Any]:
        """An Envoy started as the stack does it, ready when it serves what it was told to."""
        path = self.var / f"{proxy}.json"
        if not path.is_file():
            self._write_bootstrap(proxy, path)
        port = self.ports[f"{proxy.upper().replace('-', '_')}_HTTP_PORT"]
        argv = [*command(path), "--file-flush-interval-msec", "200"]
        return started(argv, log=self.var / f"{proxy}.log", ready=lambda: listening(port))

    def _write_bootstrap(self, proxy: str, path: Path) -> None:
        with override_settings(VAR=str(self.var)):
            ads = ",".join(f"127.0.0.1:{port}" for port in self.ads_ports)
            call_command("bootstrap", proxy, ads=ads, output=path)


@contextlib.contextmanager
def database(world: World) -> Iterator[None]:
    """This process on the world's database, which other processes share, in place of the test database."""
    theirs = connections.settings["default"]
    connections["default"].close()
    del connections["default"]
    connections.settings["default"] = {
        **theirs,
        "OPTIONS": {},
        **configured(environ.Env.db_url_config(world.database_url)),
    }
    try:
        yield
    finally:
        connections["default"].close()
        del connections["default"]
        connections.settings["default"] = theirs


@contextlib.contextmanager
def running(var: Path, database_url: str = "", *, ads_servers: int = 1) -> Iterator[World]:
    """The world from nothing, on SQLite unless told otherwise; its processes end with the block."""
    url = database_url or f"sqlite:///{var / 'world.sqlite3'}"
    world = World({name: free_port() for name in DEFAULTS}, var, url)
    others = (free_port() for _ in range(ads_servers - 1))
    world.ads_ports = (world.ports["SLUICE_ADS_PORT"], *others)
    with contextlib.ExitStack() as stack:
        with database(world):
            call_command("migrate", verbosity=0)
            generation = world.apply()
        backends = started(
            [sys.executable, "-m", "lab.backends"],
            env=world.environment,
            log=var / "backends.log",
            ready=lambda: listening(world.ports["LAB_CONTROL_PORT"]),
            cwd=ROOT,
        )
        stack.enter_context(backends)
        stack.callback(world.stop_xds)
        world.start_xds()
        with database(world):
            for proxy in ("edge-1", "edge-2"):
                stack.callback(world.stop_envoy, proxy)
                world.start_envoy(proxy)
            world.wait_acked(generation)
        yield world


def at(seconds: float) -> datetime:
    """So many seconds from now."""
    return timezone.now() + timedelta(seconds=seconds)
