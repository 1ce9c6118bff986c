"""What Sluice's measurements cost: an Envoy with all of them beside the same Envoy without any."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from bench import nginx
from bench.envoy import Running, envoy
from bench.figures import Figure, Target, figure
from bench.load import p99_us, saturate, warm_up
from bench.parts import cpu_seconds
from bench.site import Files, certify, ecdsa
from bench.sizes import Size

BENCH = "throughput"
LEAST_RATIO = Target("at least", 0.9)
MOST_LATENCY = Target("at most", 1.1)
WITH, WITHOUT = "with", "without"


@dataclass(frozen=True, slots=True)
class Saturated:
    """Requests a second, and microseconds of processor time that the proxy spent on each."""

    rate: float
    cpu_us: float


def run(size: Size, folder: Path) -> list[Figure]:
    """Each round is a new pair of processes: of one configuration they differ by some hundredths, always."""
    files = certify(folder / "site", ecdsa(), now=timezone.now())
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(nginx.backend(folder / "backend"))
        rounds = [
            _round(size, folder / f"{number}", files, backend, first=(WITH, WITHOUT)[number % 2])
            for number in range(size.pairs)
        ]
    return [*_throughput([taken for taken, _ in rounds]), *_latency([tails for _, tails in rounds])]


def _round(
    size: Size, folder: Path, files: Files, backend: int, *, first: str
) -> tuple[dict[str, Saturated], dict[str, float]]:
    """As much as both take, and their 99th percentiles at half of what the slower takes."""
    names = sorted((WITH, WITHOUT), key=lambda name: name != first)
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(envoy(folder / name, files, backend, measured=name == WITH))
            for name in names
        }
        warm_up((each.https_port for each in running.values()), size.warm_up)
        taken = {name: saturated(each, size.seconds) for name, each in running.items()}
        half = min(each.rate for each in taken.values()) / 2
        tails = {
            name: p99_us(each.https_port, half, size.seconds, folder / "answers.tsv")
            for name, each in running.items()
        }
    return taken, tails


def saturated(running: Running, seconds: float) -> Saturated:
    """One stretch of as much as it takes."""
    before = cpu_seconds(running.pid)
    rate = saturate(running.https_port, seconds)
    spent = cpu_seconds(running.pid) - before
    return Saturated(rate, spent * 1e6 / (rate * max(1, round(seconds))))


def _throughput(rounds: Sequence[dict[str, Saturated]]) -> list[Figure]:
    ratios = [each[WITH].rate / each[WITHOUT].rate for each in rounds]
    return [
        *(
            figure(BENCH, f"{name} measurements", "requests/s", [each[name].rate for each in rounds])
            for name in (WITH, WITHOUT)
        ),
        figure(BENCH, "with / without", "", ratios, LEAST_RATIO),
        *(
            figure(BENCH, f"processor time, {name}", "us/request", [each[name].cpu_us for each in rounds])
            for name in (WITH, WITHOUT)
        ),
    ]


def _latency(tails: Sequence[dict[str, float]]) -> list[Figure]:
    ratios = [each[WITH] / each[WITHOUT] for each in tails]
    return [
        *(
            figure(BENCH, f"p99 at half, {name}", "us", [each[name] for each in tails])
            for name in (WITH, WITHOUT)
        ),
        figure(BENCH, "p99 at half, with / without", "", ratios, MOST_LATENCY),
    ]
