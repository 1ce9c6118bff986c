"""What has to be on disk and in the database before the programs of the local system start."""

import hashlib
import os
import secrets
import subprocess
import sys

import yaml

from lab.programs import PROXIES, REPOSITORY, Place

FOLDERS = ("log", "redis", "prometheus", "prometheus/rules", "envoy")
TIER_FILE = REPOSITORY / "lab" / "edge.yaml"
PROMETHEUS_FILE = REPOSITORY / "deploy" / "prometheus" / "prometheus.yml"


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
    applied = place.var / "edge-applied"
    known, digest = (applied.read_text() if applied.is_file() else ""), _digest(place)
    if known != digest or not _bootstraps_written(place):
        manage(place, "apply", str(TIER_FILE), "--by", "make up")
        _write_bootstraps(place)
        applied.write_text(digest)


def rules(place: Place) -> None:
    """Publishes the objectives' rules: budgets have figures from the first minute. Needs Prometheus."""
    manage(place, "rules", "--publish")


def _digest(place: Place) -> str:
    """Of the tier's file and the ports that it takes from the environment."""
    taken = sorted(item for item in place.ports.items() if item[0].startswith(("EDGE_", "LAB_")))
    text = f"{TIER_FILE.read_text()}{taken}"
    return hashlib.sha256(text.encode()).hexdigest()


def _bootstraps_written(place: Place) -> bool:
    """False when the database does not know the tier."""
    try:
        _write_bootstraps(place)
    except Failed:
        return False
    return True


def _write_bootstraps(place: Place) -> None:
    for proxy in PROXIES:
        # It bears the proxy's private key: the command makes a file for its owner's eyes only.
        manage(place, "bootstrap", proxy, "--output", str(place.var / "envoy" / f"{proxy}.json"))


def prometheus(place: Place) -> None:
    """Writes Prometheus' configuration: the compose stack's, with this place's addresses."""
    document = yaml.safe_load(PROMETHEUS_FILE.read_text())
    targets = {
        "edge-1:19001": place.ports["EDGE_1_ADMIN_PORT"],
        "edge-2:19002": place.ports["EDGE_2_ADMIN_PORT"],
        "web:8000": place.ports["SLUICE_WEB_PORT"],
    }
    document["rule_files"] = [str(place.prometheus_folder / "rules" / "*.yml")]
    for job in document["scrape_configs"]:
        # Prometheus 2 knows no such key, and takes Envoy's answers without it.
        job.pop("fallback_scrape_protocol", None)
        for static in job["static_configs"]:
            static["targets"] = [f"127.0.0.1:{targets[target]}" for target in static["targets"]]
    (place.prometheus_folder / "prometheus.yml").write_text(yaml.safe_dump(document, sort_keys=False))
