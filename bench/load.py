"""Load from wrk, as much as is taken, and from h2load, at a steady rate."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.figures import percentile
from bench.parts import OTHERS
from bench.site import ASKED, HOST

CONNECTIONS = 32
PATIENCE_SECONDS = 60.0
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")


class LoadFailed(Exception):
    """The server did not answer every request with success, so that a figure would say nothing."""


def saturate(port: int, seconds: float) -> float:
    """Requests a second that a server answers over 32 kept TLS connections that never pause."""
    duration = f"{max(1, round(seconds))}s"
    url = f"https://127.0.0.1:{port}{ASKED}"
    printed = _run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{duration}", "-H", f"Host: {HOST}", url])
    failed = _FAILED.search(printed)
    if failed is not None:
        raise LoadFailed(f"port {port}: {failed[0]}")
    found = _RATE.search(printed)
    if found is None:
        raise LoadFailed(f"wrk said no rate: {printed}")
    return float(found[1])


def warm_up(ports: Iterable[int], seconds: float) -> None:
    """The first seconds of a server are not like the others. None at 0."""
    for port in ports if seconds else ():
        saturate(port, seconds)


def p99_us(port: int, rate: float, seconds: float, log: Path) -> float:
    """The 99th percentile of the answers' times in microseconds, at so many requests a second.

    Over 16 kept TLS connections; the first quarter is a warm-up and does not count.
    """
    connections = 16
    argv = ["h2load", "--h1", "-t1", f"-c{connections}", f"--rps={max(1, round(rate / connections))}"]
    argv += [f"-D{round(seconds * 1000)}ms", f"--log-file={log}"]
    log.unlink(missing_ok=True)
    # A Host header of our own would stand beside h2load's, and nginx and HAProxy refuse two.
    _run([*argv, f"--connect-to=127.0.0.1:{port}", f"https://{HOST}:{port}{ASKED}"])
    rows = [tuple(map(int, line.split("\t")[:3])) for line in log.read_text().splitlines()]
    counted = rows[len(rows) // 4 :]
    if not counted or any(status != 200 for _, status, _ in rows):
        raise LoadFailed(f"port {port}: {len(rows)} answers, not all of them 200")
    return percentile((took for _, _, took in counted), 0.99)


def _run(argv: list[str]) -> str:
    pinned = ["taskset", "--cpu-list", ",".join(map(str, OTHERS)), *argv]
    try:
        return subprocess.run(
            pinned, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
        ).stdout
    except (subprocess.SubprocessError, OSError) as error:
        raise LoadFailed(f"{argv[0]}: {error}") from error
