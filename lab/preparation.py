"""What has to be on disk and in the database before the programs of the local system start."""

import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab import ports
from lab.programs import PROXIES, REPOSITORY, Place

FOLDERS = ("log", "redis", "prometheus", "prometheus/rules", "envoy")
TIER_FILE = REPOSITORY / "lab" / "edge.yaml"
PROMETHEUS_FILE = REPOSITORY / "deploy" / "prometheus.yml"


class Failed(Exception):
    """A step of the preparation failed; the message says which and why."""


def folders_and_key(place: Place) -> None:
    """The folders under var/, and the secret key that sessions are signed with."""
    for folder in FOLDERS:
        (place.var / folder).mkdir(parents=True, exist_ok=True)
    key = place.var / "secret-key"
    if not key.is_file():
        partial = key.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50) + "\n")
        # Renamed whole: an interrupted start leaves no half of a key behind.
        partial.rename(key)


def manage(place: Place, *argv: str) -> str:
    """Runs `manage.py`; returns what it printed. Raises Failed with its errors."""
    done = subprocess.run(
        [sys.executable, "manage.py", *argv],
        cwd=REPOSITORY,
        env={**os.environ, **place.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"manage.py {' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def database(place: Place) -> str:
    """Migrates, collects the static files, makes the first administrator. Returns the login line."""
    manage(place, "migrate", "--noinput", "--verbosity=0")
    manage(place, "collectstatic", "--noinput", "--verbosity=0")
    return manage(place, "setup_admin").strip()


def tier(place: Place) -> None:
    """Declares the sample tier when it is not there or its file changed, and writes both bootstraps.

    A tier that was applied and then changed from the pages stays as it is.
    """
    file, digest = _tier_file(place)
    applied = place.var / "edge-applied"
    known = applied.read_text() if applied.is_file() else ""
    if known != digest or not _bootstraps_written(place):
        manage(place, "apply", str(file), "--by", "make up")
        _write_bootstraps(place)
        applied.write_text(digest)


def _bootstraps_written(place: Place) -> bool:
    """False when the database does not know the tier."""
    try:
        _write_bootstraps(place)
    except Failed:
        return False
    return True


def _write_bootstraps(place: Place) -> None:
    for proxy in PROXIES:
        (place.var / "envoy" / f"{proxy}.json").write_text(manage(place, "bootstrap", proxy))


def _tier_file(place: Place) -> tuple[Path, str]:
    """The file to apply and its digest: the repository's, or one with this place's ports in it."""
    text = TIER_FILE.read_text()
    changed = {ports.DEFAULTS[name]: number for name, number in place.ports.items()}
    if all(default == number for default, number in changed.items()):
        return TIER_FILE, _digest(text)
    text = yaml.safe_dump(with_ports(yaml.safe_load(text), changed), sort_keys=False)
    file = place.var / "edge.yaml"
    file.write_text(text)
    return file, _digest(text)


def with_ports(document: Any, changed: Mapping[int, int]) -> Any:
    """The same document, every value of a key that ends in "port" put through `changed`."""
    if isinstance(document, dict):
        return {
            key: changed.get(value, value)
            if str(key).endswith("port") and isinstance(value, int)
            else with_ports(value, changed)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [with_ports(value, changed) for value in document]
    return document


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def prometheus(place: Place) -> None:
    """Writes the scrape configuration: each proxy's admin port each second, with its tier and name."""
    document = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "5s"},
        "rule_files": [str(place.prometheus_folder / "rules" / "*.yml")],
        "scrape_configs": [
            {
                "job_name": "envoy",
                "metrics_path": "/stats/prometheus",
                "static_configs": [
                    {
                        "targets": [f"127.0.0.1:{place.ports[f'{prefix}_ADMIN_PORT']}"],
                        "labels": {"tier": "edge", "proxy": proxy},
                    }
                    for proxy, prefix in PROXIES.items()
                ],
            }
        ],
    }
    (place.prometheus_folder / "prometheus.yml").write_text(yaml.safe_dump(document, sort_keys=False))
