"""Envoy with what Sluice would tell it, from a file: with all of Sluice's measurements, or without any."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench.parts import MEASURED, on
from bench.site import HOST, PATHS, Files
from proxy.domain.tier import Tier
from proxy.domain.translate.secrets import TICKET_KEY_BYTES, Material
from proxy.domain.translate.standalone import alone
from tests.support.envoy import command
from tests.support.processes import free_port, listening

PROXY = "proxy-0"
_MEASURES = frozenset(
    {
        "record_route_resolution_stats",
        "track_cluster_stats",
        "track_remaining",
        "enable_dispatcher_stats",
        "stats_config",
    }
)
_MEASURING_LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"


@dataclass(frozen=True, slots=True)
class Running:
    """The ports of an Envoy, and its process id."""

    http_port: int
    https_port: int
    admin_port: int
    pid: int

    def counter(self, name: str) -> int:
        """One of Envoy's own statistics, summed over the listeners that have it."""
        answer = requests.get(
            f"http://127.0.0.1:{self.admin_port}/stats", params={"filter": name, "format": "json"}, timeout=5
        )
        return sum(each.get("value", 0) for each in answer.json()["stats"])


@contextlib.contextmanager
def envoy(
    folder: Path, files: Files, backend_port: int, *, measured: bool = True, **declared: Any
) -> Iterator[Running]:
    """With the site's routes, on one worker; `declared` are further fields of the tier."""
    folder.mkdir(parents=True)
    tier = Tier.model_validate({**_site(backend_port), **declared})
    config = _config(tier, files)
    file = folder / "envoy.json"
    file.write_text(json.dumps(config if measured else unmeasured(config), indent=2))
    argv = command(file)
    (here,) = tier.proxies
    with on([MEASURED], argv, log=folder / "envoy.log", ready=lambda: listening(here.https_port)) as pid:
        yield Running(here.http_port, here.https_port, here.admin_port, pid)


def unmeasured(node: Any) -> Any:
    """The same configuration without what Sluice measures."""
    if isinstance(node, list):
        return [unmeasured(item) for item in node if not _measures(item)]
    if isinstance(node, dict):
        return {key: unmeasured(item) for key, item in node.items() if key not in _MEASURES}
    return node


def _measures(item: Any) -> bool:
    typed = item.get("typed_config") if isinstance(item, dict) else None
    return isinstance(typed, dict) and typed.get("@type") == _MEASURING_LOGGER


def _site(backend_port: int) -> dict[str, Any]:
    ports = {name: free_port() for name in ("http_port", "https_port", "admin_port")}
    return {
        "name": "bench",
        "proxies": [{"name": PROXY, **ports}],
        "upstreams": [{"name": "backend", "endpoints": [{"port": backend_port}]}],
        "routes": [
            {"name": f"route-{number}", "hosts": [HOST], "prefix": path, "upstream": "backend"}
            for number, path in enumerate(PATHS)
        ],
    }


def _config(tier: Tier, files: Files) -> dict[str, Any]:
    material = Material(files.certificate.read_text(), files.key.read_text(), (bytes(TICKET_KEY_BYTES),))
    return alone(tier, tier.proxies[0], material)
