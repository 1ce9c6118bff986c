"""A real Prometheus for tests: loopback only, its own data directory, optional history."""

import contextlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import requests
import yaml

from tests.support.processes import free_port, started

START_SECONDS = 30.0


@dataclass(frozen=True)
class Target:
    """One address to scrape, with the labels that Prometheus adds."""

    address: str
    labels: Mapping[str, str]
    path: str = "/metrics"


@dataclass(frozen=True)
class Running:
    """A Prometheus that answers."""

    url: str
    rules_dir: Path
    pid: int


@dataclass(frozen=True)
class History:
    """One series of the past: `points` are (time, value)."""

    metric: str
    labels: Mapping[str, str]
    points: Sequence[tuple[datetime, float]]


@contextlib.contextmanager
def prometheus(
    directory: Path,
    *,
    targets: Sequence[Target] = (),
    scrape_interval: str = "1s",
    evaluation_interval: str = "1s",
    history: Iterable[History] = (),
    rules: str = "",
) -> Iterator[Running]:
    """Run Prometheus under `directory` for the length of the block.

    `rules` is the text of a first rule file; `history` is backfilled before the start.
    """
    port, rules_dir, data = free_port(), directory / "rules", directory / "data"
    rules_dir.mkdir(parents=True, exist_ok=True)
    if rules:
        (rules_dir / "first.yml").write_text(rules)
    configuration = directory / "prometheus.yml"
    configuration.write_text(_configuration(rules_dir, targets, scrape_interval, evaluation_interval))
    backfill(data, history)
    url = f"http://127.0.0.1:{port}"
    argv = [
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=40d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]
    log = directory / "prometheus.log"
    with started(argv, log=log, ready=lambda: ready(url), timeout=START_SECONDS) as process:
        yield Running(url=url, rules_dir=rules_dir, pid=process.pid)


def ready(url: str) -> bool:
    """Whether Prometheus there takes queries."""
    try:
        return requests.get(f"{url}/-/ready", timeout=1).status_code == 200
    except requests.RequestException:
        return False


def backfill(data: Path, history: Iterable[History]) -> None:
    """Make blocks of the past in `data`, as `promtool` does."""
    lines = list(openmetrics(history))
    if not lines:
        return
    data.mkdir(parents=True, exist_ok=True)
    text = data.parent / "history.om"
    text.write_text("\n".join([*lines, "# EOF", ""]))
    argv = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data), "--quiet"]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)


def backfill_rules(running: Running, rules: str, *, start: datetime, end: datetime, every: str) -> None:
    """Record `rules` over the past of a running Prometheus, each `every`; they show after its next start.

    Rules see only what was there before: one call for each layer of rules.
    """
    text = running.rules_dir.parent / "backfill.yml"
    text.write_text(rules)
    argv = [
        *("promtool", "tsdb", "create-blocks-from", "rules", f"--url={running.url}"),
        *(f"--start={start.timestamp():.0f}", f"--end={end.timestamp():.0f}"),
        *(f"--eval-interval={every}", f"--output-dir={running.rules_dir.parent / 'data'}", str(text)),
    ]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)


def openmetrics(history: Iterable[History]) -> Iterator[str]:
    """The lines of the samples. Untyped, so that counters keep their names as Envoy prints them."""
    for series in history:
        labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in series.labels.items())
        for at, value in series.points:
            yield f"{series.metric}{{{labels}}} {value} {at.timestamp():.3f}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _configuration(
    rules_dir: Path, targets: Sequence[Target], scrape_interval: str, evaluation_interval: str
) -> str:
    jobs = [
        {
            "job_name": f"target-{number}",
            "metrics_path": target.path,
            "static_configs": [{"targets": [target.address], "labels": dict(target.labels)}],
        }
        for number, target in enumerate(targets)
    ]
    return yaml.safe_dump(
        {
            "global": {
                "scrape_interval": scrape_interval,
                "scrape_timeout": scrape_interval,
                "evaluation_interval": evaluation_interval,
            },
            "rule_files": [f"{rules_dir}/*.yml"],
            "scrape_configs": jobs,
        }
    )
