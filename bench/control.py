"""A control plane of its own for a measurement: a database, `manage.py xds`, and Envoys that it drives."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from audit.domain.actor import Actor
from config.database import configured
from proxy import selectors, services, validation
from tests.support.envoy import command
from tests.support.processes import free_port, listening, started, wait_until

ROOT = Path(__file__).resolve().parents[1]
TIER = "bench"
BY = Actor("bench", "cli")
LONG = timedelta(hours=1)
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Plane:
    """Where it keeps its state, and the port of its ADS server."""

    var: Path
    ads_port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SLUICE_VAR": str(self.var),
            "DATABASE_URL": f"sqlite:///{self.var / 'bench.sqlite3'}",
            "SLUICE_ADS_BIND": self.ads,
        }

    @property
    def ads(self) -> str:
        return f"127.0.0.1:{self.ads_port}"

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """This process on the plane's database for the length of the block."""
        theirs = connections.settings["default"]
        url = environ.Env.db_url_config(self.environment["DATABASE_URL"])
        _use({**theirs, "OPTIONS": {}, **configured(url)})
        try:
            yield
        finally:
            _use(theirs)

    def declare(self, tier: Mapping[str, Any]) -> None:
        """Publish the tier, checked by Envoy itself as `manage.py apply` does it. Needs `database`."""
        services.apply(
            document={"tiers": [tier]},
            by=BY,
            reason="bench",
            now=timezone.now(),
            gate=validation.check_with_envoy,
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """`manage.py xds` for the length of the block; its process id."""
        argv = [sys.executable, str(ROOT / "manage.py"), "xds"]
        log = self.var / "xds.log"
        ready = lambda: listening(self.ads_port)  # noqa: E731  (one line, asked often)
        with started(argv, env=self.environment, log=log, ready=ready, cwd=ROOT) as process:
            yield process.pid

    @contextlib.contextmanager
    def envoy(self, proxy: str, http_port: int) -> Iterator[int]:
        """An Envoy that is ready when it serves; its process id."""
        file = self.var / f"{proxy}.json"
        argv = [sys.executable, str(ROOT / "manage.py"), "bootstrap", proxy, "--output", str(file)]
        subprocess.run(argv, env={**os.environ, **self.environment}, cwd=ROOT, check=True)
        run = command(file)
        log = self.var / f"{proxy}.log"
        with started(run, log=log, ready=lambda: listening(http_port), timeout=SECONDS) as process:
            yield process.pid


@dataclass(slots=True)
class Overlays:
    """One owner's overlay on the weights of one route, put again and again under one lease."""

    target: str
    _fence: int = 0

    def put(self, patch: Mapping[str, Any]) -> int:
        """Returns the generation that contains it, as soon as that is committed."""
        now = timezone.now()
        held = {"tier": TIER, "target": self.target, "owner": "bench"}
        self._fence = self._fence or services.lease(**held, until=now + LONG, by=BY, now=now)
        return services.put_overlay(
            **held,
            patch=patch,
            fence=self._fence,
            expires_at=now + LONG,
            by=BY,
            reason="bench",
            now=now,
        )


@contextlib.contextmanager
def plane(var: Path) -> Iterator[Plane]:
    """A fresh one, with an empty database."""
    var.mkdir(parents=True)
    made = Plane(var)
    with made.database():
        call_command("migrate", verbosity=0)
    yield made


def wait_acked(generation: int) -> None:
    """Every proxy of the tier runs it. Needs `database`."""
    wait_until(
        lambda: selectors.progress(TIER, generation).complete,
        timeout=SECONDS,
        what=f"generation {generation} acknowledged",
    )


def proxies(count: int) -> list[dict[str, Any]]:
    """Declared proxies with ports; only those that are started need theirs to be free."""
    names = ("http_port", "https_port", "admin_port")
    return [{"name": f"proxy-{number}", **{name: free_port() for name in names}} for number in range(count)]


def _use(settings: dict[str, Any]) -> None:
    connections["default"].close()
    del connections["default"]
    connections.settings["default"] = settings
