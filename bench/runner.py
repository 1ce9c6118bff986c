"""Runs the benchmarks one after the other: a table on standard output, and all figures as JSON."""

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import handshakes, hop, judge, objectives, push, rollback, runs, scale, scenarios, throughput
from bench.figures import Figure, table, write
from bench.parts import PROCESSORS
from bench.sizes import FULL, QUICK, Size

BENCHES: dict[str, Callable[[Size, Path], list[Figure]]] = {
    module.BENCH: module.run
    for module in (push, scale, objectives, judge, runs, throughput, hop, handshakes, rollback, scenarios)
}


def run(names: Sequence[str], *, quick: bool, folder: Path, output: Path) -> list[Figure]:
    """The named benchmarks, or all. Says on standard error where it is."""
    size = QUICK if quick else FULL
    about = {**_machine(), "at": datetime.now(UTC).isoformat(timespec="seconds"), "quick": quick}
    figures: list[Figure] = []
    for name in names or BENCHES:
        began = time.monotonic()
        figures += BENCHES[name](size, folder / name)
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
        write(output, figures, about)
    sys.stdout.write(f"{table(figures)}\n\n{_spoken(about)}\n")
    return figures


def _machine() -> dict[str, Any]:
    """What the figures depend on, and what else was going on."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "processors": len(PROCESSORS),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def _spoken(about: dict[str, Any]) -> str:
    return (
        f"{about['at']}, {about['processors']} x {about['processor']}, Linux {about['kernel']}; "
        f"load before: {about['load_before']:.1f}"
    )
