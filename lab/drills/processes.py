"""Processes that a drill starts: ready before they are used, and ended with it by their own id."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import requests

from lab.supervisor import with_parent

READY_SECONDS = 20.0
END_SECONDS = 5.0
POLL_SECONDS = 0.02


class NotStarted(Exception):
    """A process ended, or was not ready in time; the message ends with its log."""


@contextlib.asynccontextmanager
async def running(argv: Sequence[str], *, log: Path, ready: Callable[[], bool]) -> AsyncIterator[int]:
    """The process for the length of the block, from when `ready()` is true on; its id. Raises NotStarted.

    It ends with this process too, in whatever way that dies.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(
            with_parent(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches the drill alone, which then ends its processes in order.
            start_new_session=True,
        )
    try:
        await _wait(process, argv[0], log, ready)
        yield process.pid
    finally:
        _end(process)


async def _wait(process: subprocess.Popen[bytes], name: str, log: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        status = process.poll()
        if status is not None or time.monotonic() > deadline:
            why = f"ended with {status}" if status is not None else f"was not ready in {READY_SECONDS:g} s"
            raise NotStarted(f"{name} {why}: {log.read_text(errors='replace')[-2000:]}")
        await asyncio.sleep(POLL_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def listening(port: int) -> bool:
    """Whether somebody takes connections at a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def live(admin_port: int) -> bool:
    """Whether an Envoy has all that it waits for, and serves."""
    try:
        return requests.get(f"http://127.0.0.1:{admin_port}/ready", timeout=1).text.strip() == "LIVE"
    except requests.RequestException:
        return False


def cpu_seconds(pid: int, thread: str) -> float:
    """What the threads of a process whose name begins with `thread` have run so far, to the nanosecond."""
    tasks = [
        task for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().startswith(thread)
    ]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
