"""Processes for measurements: on a processor of their own, with what they used of it."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.processes import started

PROCESSORS = sorted(os.sched_getaffinity(0))
MEASURED = PROCESSORS[0]
"""The one that what is measured has for itself; load and backends share the others."""
OTHERS = PROCESSORS[1:] or PROCESSORS


@contextlib.contextmanager
def on(processors: Sequence[int], argv: Sequence[str], *, log: Path, ready: Any) -> Iterator[int]:
    """Run `argv` on these processors for the length of the block; its process id."""
    pinned = ["taskset", "--cpu-list", ",".join(map(str, processors)), *argv]
    with started(pinned, log=log, ready=ready) as process:
        yield process.pid


def cpu_seconds(pid: int, thread: str = "") -> float:
    """What a process' threads have run so far, to the nanosecond; of those whose name begins with `thread`.

    `taskset` becomes the program that it starts, so that the process id is the program's.
    """
    tasks = [
        task for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().startswith(thread)
    ]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident_bytes(pid: int) -> int:
    """The physical memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
