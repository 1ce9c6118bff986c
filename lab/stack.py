"""`make up`: the whole system on this machine, on real parts, in the foreground; and the same for tests.

with Stack(environment={"SLUICE_WEB_PORT": "8001", ...}, var=folder) as stack:
    stack.kill("worker")        # SIGKILL; it comes back by itself
    stack.stop("prometheus")
    stack.start("prometheus")
"""

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Self

import environ

from lab import parent, ports, preparation, programs
from lab.ports import BadPort
from lab.preparation import Failed
from lab.programs import ENDED_IN_ORDER, REPOSITORY, Place
from lab.supervisor import Supervisor

READY_SECONDS = 90.0
POLL_SECONDS = 0.1
PARENT_SECONDS = 0.5
PORTS_FREE_SECONDS = 3.0  # a stack that was just ended may still be leaving
FIRST = ("redis", "prometheus", "backends", "receiver")
THEN = ("xds", "edge-1", "edge-2", "web", "worker", "beat")


class NotReady(Exception):
    """A program was not ready in time; the message ends with its log."""


class CannotStart(Exception):
    """The machine is not free for this stack: a port, a program or the folder."""


class Ended(BaseException):
    """A person or the system asked the stack to end."""


def print_line(line: str) -> None:
    # A terminal that was closed must not keep the stack from ending its processes.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class Stack:
    """All programs of the local system. `environment` is laid over this process' own."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        var: Path | None = None,
        load: bool = True,
        say: Callable[[str], None] = print_line,
        ports_free_seconds: float = PORTS_FREE_SECONDS,
    ) -> None:
        """Raises BadPort when a port's variable is wrong. Waits `ports_free_seconds` for a port in use."""
        given = {**os.environ, **(environment or {})}
        folder = (var or Path(given.get("SLUICE_VAR") or REPOSITORY / "var")).resolve()
        self.place = Place.of(ports.from_environment(given), folder, given)
        self.login = ""
        self._load = load
        self._ports_free_seconds = ports_free_seconds
        self._say = say
        self._programs = programs.programs(self.place)
        self._ready = programs.readiness(self.place)
        self._supervisor: Supervisor | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the stack is not up")
        return self._supervisor

    def up(self) -> None:
        """Starts everything and returns when all is ready. Raises CannotStart, Failed or NotReady."""
        self._say(f"Preparing {self.place.var}")
        preparation.folders_and_key(self.place)
        self._claim()
        preparation.prometheus(self.place)
        self._supervisor = Supervisor(folder=REPOSITORY, logs=self.place.var / "log", say=self._say)
        self._start_all(FIRST)
        self._say("Migrating the database")
        self.login = preparation.database(self.place)
        self._say("Declaring the sample tier")
        preparation.tier(self.place)
        self._wait_all(["prometheus"])
        preparation.rules(self.place)
        # Only where presses come by Socket Mode.
        self._start_all([*THEN, *(["slack"] if "slack" in self._programs else [])])
        self._wait_all(self._ready)
        if self._load:
            self.start("traffic")

    def down(self) -> None:
        """Ends everything that was started, in order; does nothing twice."""
        if self._supervisor is not None:
            for group in ENDED_IN_ORDER:
                self._supervisor.stop(*group)
            self._supervisor.close()
            self._supervisor = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def hurry(self) -> None:
        """Ends at once what `down` is ending."""
        if self._supervisor is not None:
            self._supervisor.hurry()

    def start(self, name: str) -> None:
        """Starts a program that was stopped, and waits until it is ready."""
        self.supervisor.start(self._programs[name])
        if name in self._ready:
            self._wait_all([name])

    def stop(self, name: str) -> None:
        """Ends a program; it stays ended."""
        self.supervisor.stop(name)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def kill(self, name: str) -> None:
        """SIGKILL to the program and all its children; it is started again by itself."""
        self.supervisor.kill(name)

    def manage(self, *argv: str) -> str:
        """Runs `manage.py` on this stack; returns what it printed. Raises Failed."""
        return preparation.manage(self.place, *argv)

    @property
    def token(self) -> str:
        """The first administrator's API token."""
        return (self.place.var / "admin-token").read_text().strip()

    def _claim(self) -> None:
        """Makes sure that nobody else uses the folder and the ports."""
        if missing := programs.missing():
            raise CannotStart(
                f"{', '.join(missing)} is missing: run `make up`, or install it from the system's packages"
            )
        self._lock = (self.place.var / "stack.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"{self.place.var} is in use by another `make up`") from None
        deadline = time.monotonic() + self._ports_free_seconds
        while taken := [name for name, number in self.place.ports.items() if ports.in_use(number)]:
            if time.monotonic() > deadline:
                name = taken[0]
                raise CannotStart(f"port {self.place.ports[name]} is in use; {name} chooses another")
            time.sleep(POLL_SECONDS)

    def _start_all(self, names: Iterable[str]) -> None:
        names = tuple(names)
        self._say(f"Starting {', '.join(names)}")
        for name in names:
            self.supervisor.start(self._programs[name])

    def _wait_all(self, names: Iterable[str]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        waiting = list(names)
        while waiting := [name for name in waiting if not self._ready[name]()]:
            if time.monotonic() > deadline:
                raise NotReady(f"{waiting[0]} is not ready\n{self.supervisor.tail(waiting[0])}")
            time.sleep(POLL_SECONDS)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise Ended


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(stack: Stack) -> int:
    """Runs a stack until a signal ends it. Returns the exit status."""
    for number in SIGNALS:
        signal.signal(number, _end)
    status = 0
    try:
        stack.up()
        print_line(f"Sluice is ready: {stack.place.environment['SLUICE_BASE_URL']}")
        print_line(stack.login)
        while not parent.interrupted():
            time.sleep(PARENT_SECONDS)
        print_line("Ending")
    except Ended:
        print_line("Ending")
    except CannotStart as error:
        print_line(f"make up: {error}")
        status = 2
    except (Failed, NotReady) as error:
        print_line(f"make up: {error}")
        status = 1
    finally:
        for number in SIGNALS:
            # A second Ctrl-C means now.
            signal.signal(number, lambda *_: stack.hurry())
        stack.down()
    return status


def main() -> int:
    if (REPOSITORY / ".env").is_file():
        environ.Env.read_env(str(REPOSITORY / ".env"))
    try:
        stack = Stack(load=os.environ.get("LOAD", "on") != "off")
    except BadPort as error:
        print_line(f"make up: {error}")
        return 2
    return run(stack)


if __name__ == "__main__":
    sys.exit(main())
