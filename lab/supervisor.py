"""Keeps programs running: starts them, restarts what dies with a growing pause, ends all of them.

One thread reconciles what is wanted with what runs. honcho would print and stop processes too, but its
manager ends everything when one process ends, where here a killed worker must come back.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TURN_SECONDS = 0.1
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 15.0
STEADY_SECONDS = 30.0  # a program that ran this long has earned the first pause again
LOG_LIMIT_BYTES = 10_000_000
SAID_LINES_PER_TURN = 3
LAST_LINES = 3  # of a program that ended by itself
ALARMING = re.compile(r"\b(ERROR|CRITICAL|FATAL|error:|level=error)|\[(error|critical)\]")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """One process: what to run, with which variables added to the supervisor's environment."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 10.0  # between SIGTERM and SIGKILL


def with_parent(argv: Sequence[str]) -> list[str]:
    """The same program, told to end when its parent dies in whatever way.

    SIGTERM, since it then ends its own children; a SIGKILL would orphan them.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *argv] if setpriv else list(argv)


class Child:
    """One program's process, wanted or not. Only the supervisor's thread calls `reconcile`."""

    def __init__(self, program: Program, log: Path, folder: Path, say: Say) -> None:
        self.program = program
        self.log = log
        self.wanted = False
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._say = say
        self._failures = 0
        self._started_at = 0.0
        self._next_start_at = 0.0
        self._kill_at: float | None = None
        self._read_to = 0

    @property
    def running(self) -> bool:
        return self.process is not None

    @property
    def pausing(self) -> bool:
        return self.process is None and self._next_start_at > time.monotonic()

    def reconcile(self, now: float) -> None:
        if self.process is not None:
            self._repeat_errors()
            if (status := self.process.poll()) is not None:
                self._ended(self.process, status, now)
            elif not self.wanted:
                self._end(self.process, now)
        elif self.wanted and now >= self._next_start_at:
            self._start(now)

    def want(self, wanted: bool) -> None:
        self.wanted = wanted
        self._failures, self._next_start_at = 0, 0.0

    def signal_group(self, number: signal.Signals) -> None:
        """To the process and all that it started."""
        if self.process is not None:
            _signal_group(self.process.pid, number)

    def postpone(self, reason: OSError, now: float) -> None:
        """The system refused something, such as a new process or a full disk: tried again after a pause."""
        self._next_start_at = now + LAST_PAUSE_SECONDS
        self._say(f"{self.program.name}: {reason}; trying again in {LAST_PAUSE_SECONDS:g} s")

    def _start(self, now: float) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.is_file() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as out:
            self._read_to = out.tell()
            self.process = subprocess.Popen(
                with_parent(self.program.argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, **self.program.environment},
                # Its own group: Ctrl-C reaches only the supervisor, which ends the programs in order.
                start_new_session=True,
            )
        self._started_at, self._kill_at = now, None

    def _ended(self, process: subprocess.Popen[bytes], status: int, now: float) -> None:
        # What the program had started and left behind ends with it.
        _signal_group(process.pid, signal.SIGKILL)
        self.process = None
        if not self.wanted:
            return
        self._failures = 0 if now - self._started_at > STEADY_SECONDS else self._failures + 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** max(0, self._failures - 1), LAST_PAUSE_SECONDS)
        self._next_start_at = now + pause
        self._say(f"{self.program.name} {_how(status)}; starting it again in {pause:g} s (see {self.log})")
        if status > 0:
            self._say(self.tail(LAST_LINES))

    def _end(self, process: subprocess.Popen[bytes], now: float) -> None:
        if self._kill_at is None:
            self._kill_at = now + self.program.grace_seconds
            process.terminate()
        elif now > self._kill_at:
            self._say(f"{self.program.name} did not end in {self.program.grace_seconds:g} s: killed")
            self.signal_group(signal.SIGKILL)

    def _repeat_errors(self) -> None:
        """Says the new lines of the log that look like errors."""
        if not self.log.is_file():
            return  # somebody cleared the folder
        with self.log.open("rb") as log:
            log.seek(self._read_to)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read_to += len(whole)
        alarming = [line for line in whole.decode(errors="replace").splitlines() if ALARMING.search(line)]
        for line in alarming[:SAID_LINES_PER_TURN]:
            self._say(f"{self.program.name} | {line}")

    def tail(self, lines: int = 8) -> str:
        """The end of the log."""
        text = self.log.read_text(errors="replace") if self.log.is_file() else ""
        return "\n".join(f"{self.program.name} | {line}" for line in text.splitlines()[-lines:])


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return  # all of it has ended


def _how(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


class Supervisor:
    """The programs of one stack. Its methods may be called from any thread."""

    def __init__(self, *, folder: Path, logs: Path, say: Say) -> None:
        self._folder = folder
        self._logs = logs
        self._say = say
        self._children: dict[str, Child] = {}
        self._changed = threading.Condition()
        self._over = False
        # Programs are started only by this thread: their parent-death signal fires when the thread that
        # started them ends, not only when the process does.
        self._thread = threading.Thread(target=self._reconcile, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, program: Program) -> None:
        """Starts a program and keeps it running."""
        with self._changed:
            child = Child(program, self._logs / f"{program.name}.log", self._folder, self._say)
            if (old := self._children.get(program.name)) is not None and old.running:
                raise ValueError(f"{program.name} is running")
            self._children[program.name] = child
            child.want(True)
            self._changed.notify_all()
            self._changed.wait_for(lambda: child.running or child.pausing or not child.wanted)

    def stop(self, *names: str) -> None:
        """Ends programs, killing them after their grace; they stay ended. Returns when they have."""
        with self._changed:
            children = [self._children[name] for name in names if name in self._children]
            for child in children:
                child.want(False)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(child.running for child in children))

    def kill(self, name: str) -> None:
        """SIGKILL to a program and all that it started; it is started again."""
        with self._changed:
            self._children[name].signal_group(signal.SIGKILL)

    def hurry(self) -> None:
        """SIGKILL to everything that is being ended, now."""
        for child in list(self._children.values()):
            if not child.wanted:
                child.signal_group(signal.SIGKILL)

    def pid(self, name: str) -> int | None:
        """The process' id; None while it does not run."""
        process = self._children[name].process if name in self._children else None
        return process.pid if process else None

    def tail(self, name: str) -> str:
        return self._children[name].tail() if name in self._children else ""

    def close(self) -> None:
        """Ends the thread. Every program must have been stopped."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join()

    def _reconcile(self) -> None:
        with self._changed:
            while not self._over:
                now = time.monotonic()
                for child in self._children.values():
                    self._turn(child, now)
                self._changed.notify_all()
                self._changed.wait(TURN_SECONDS)

    def _turn(self, child: Child, now: float) -> None:
        # This thread must outlive every trouble of one program: with it all the others would end.
        try:
            child.reconcile(now)
        except OSError as error:
            child.postpone(error, now)
