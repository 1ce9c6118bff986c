"""The supervisor, on real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.supervisor import Program, Supervisor
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
)
PARENT = (
    sys.executable,
    "-c",
    "import subprocess, sys; c = subprocess.Popen(['sleep', '60']); print(c.pid, flush=True); c.wait()",
)
SUPERVISOR_OF_A_SLEEPER = """
import signal, sys
from pathlib import Path
from lab.supervisor import Program, Supervisor
here = Path(sys.argv[1])
supervisor = Supervisor(folder=here, logs=here, say=print)
sleeper = "import signal; print('up', flush=True); signal.pause()"
supervisor.start(Program("sleeper", (sys.executable, "-c", sleeper)))
print(supervisor.pid("sleeper"), flush=True)
signal.pause()
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    running = Supervisor(folder=tmp_path, logs=tmp_path, say=said.append)
    yield running
    running.stop("program")
    running.close()


def alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def line_of(log: Path) -> Callable[[], str]:
    return lambda: log.read_text() if log.is_file() else ""


def test_a_killed_program_comes_back_and_it_is_said(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(Program("program", SLEEPER))
    first = supervisor.pid("program")
    supervisor.kill("program")
    again = wait_until(
        lambda: (pid := supervisor.pid("program")) != first and pid, timeout=10, what="the program again"
    )
    assert alive(again)
    assert "program was killed by SIGKILL; starting it again in 0.5 s" in said[0]


def test_a_stopped_program_stays_ended(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(Program("program", SLEEPER))
    pid = supervisor.pid("program")
    supervisor.stop("program")
    assert not alive(pid)
    assert supervisor.pid("program") is None
    assert said == []


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    supervisor.start(Program("program", STUBBORN, grace_seconds=0.3))
    wait_until(line_of(tmp_path / "program.log"), timeout=10, what="the program up")
    started = time.monotonic()
    supervisor.stop("program")
    assert 0.3 <= time.monotonic() - started < 5
    assert said == ["program did not end in 0.3 s: killed"]


def test_what_a_program_started_ends_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Program("program", PARENT))
    grandchild = int(wait_until(line_of(tmp_path / "program.log"), timeout=10, what="the grandchild"))
    assert alive(grandchild)
    supervisor.stop("program")
    wait_until(lambda: not alive(grandchild), timeout=5, what="the grandchild ended")


def test_errors_in_a_log_are_repeated_with_the_programs_name(supervisor: Supervisor, said: list[str]) -> None:
    code = "import signal; print('fine'); print('ERROR no such table', flush=True); signal.pause()"
    supervisor.start(Program("program", (sys.executable, "-c", code)))
    wait_until(lambda: said, timeout=10, what="the error said")
    assert said == ["program | ERROR no such table"]


def test_a_program_that_cannot_stay_up_waits_longer_each_time(
    supervisor: Supervisor, said: list[str]
) -> None:
    supervisor.start(Program("program", (sys.executable, "-c", "print('no luck'); raise SystemExit(3)")))
    wait_until(lambda: len(said) >= 4, timeout=10, what="two ends")
    assert "ended with status 3; starting it again in 0.5 s" in said[0]
    assert said[1] == "program | no luck"
    assert "ended with status 3; starting it again in 1 s" in said[2]


def test_a_program_without_its_folder_waits_and_the_others_go_on(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    blocked = Supervisor(folder=tmp_path / "missing", logs=tmp_path / "logs", say=said.append)
    blocked.start(Program("program", SLEEPER))
    wait_until(lambda: said, timeout=10, what="the refusal")
    assert "No such file or directory" in said[0]
    assert said[0].startswith("program: ")
    blocked.stop("program")
    blocked.close()


def test_programs_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", SUPERVISOR_OF_A_SLEEPER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        sleeper = int(killed.stdout.readline())
        wait_until(line_of(tmp_path / "sleeper.log"), timeout=20, what="the sleeper up")
        assert alive(sleeper)
        killed.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(sleeper), timeout=5, what="the orphan ended")
