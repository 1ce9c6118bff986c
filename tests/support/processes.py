"""Real processes for tests: started on free ports, polled until ready, ended by the id that was started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

POLL_SECONDS = 0.02
END_SECONDS = 10.0
# Below the kernel's ephemeral range (32768 and up), so that no client socket takes a port between the
# choice and the start of the server.
FIRST_PORT, LAST_PORT = 20000, 32000

_next_port = FIRST_PORT + (os.getpid() * 97) % (LAST_PORT - FIRST_PORT)


class NotReady(Exception):
    """What was waited for did not come in time."""


def free_port() -> int:
    """A loopback port that nobody listens on; not handed out twice by this process."""
    global _next_port
    for _ in range(LAST_PORT - FIRST_PORT):
        _next_port = FIRST_PORT + (_next_port + 1 - FIRST_PORT) % (LAST_PORT - FIRST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", _next_port))
            except OSError:
                continue
            return _next_port
    raise NotReady("no free loopback port")


T = TypeVar("T")


def wait_until(check: Callable[[], T], *, timeout: float, what: str, every: float = POLL_SECONDS) -> T:
    """Poll `check` until it answers something true, and return that.

    `timeout` and `every` are in seconds. `NotReady` names `what` and the last answer or error.
    """
    deadline = time.monotonic() + timeout
    last: Any = None
    while True:
        try:
            answer = check()
            if answer:
                return answer
            last = answer
        except (OSError, AssertionError) as error:
            last = error
        if time.monotonic() > deadline:
            raise NotReady(f"{what}: not within {timeout:g} s; last: {last!r}")
        time.sleep(every)


def listening(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL after a grace period; only the process that was started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_SECONDS)


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    ready: Callable[[], Any] | None = None,
    timeout: float = 30.0,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `argv` for the length of the block; enter it once `ready()` is true.

    `env` is added to this process' environment. Output goes to `log`, whose end is in the error when the
    process dies before it is ready.
    """
    with contextlib.ExitStack() as stack:
        out: IO[bytes] | int = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        process = subprocess.Popen(
            list(argv), env={**os.environ, **(env or {})}, stdout=out, stderr=subprocess.STDOUT, cwd=cwd
        )
        stack.callback(end, process)

        def alive_and_ready() -> bool:
            if process.poll() is not None:
                tail = log.read_text(errors="replace")[-2000:] if log else "(no log kept)"
                raise NotReady(f"{argv[0]} ended with {process.returncode}: {tail}")
            return bool(ready is None or ready())

        wait_until(alive_and_ready, timeout=timeout, what=f"{argv[0]} ready")
        yield process
