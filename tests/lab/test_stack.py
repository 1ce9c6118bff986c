"""The whole local system: up to its ready line, a crash repaired, a second start, and no process left behind."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from lab.programs import REPOSITORY
from lab.stack import Stack
from tests.lab.lab_processes import free_environment
from tests.support.processes import wait_until

pytestmark = [pytest.mark.real, pytest.mark.stack, pytest.mark.timeout(300)]

READY_SECONDS = 120
ENDED_SECONDS = 40


def processes_of(var: Path) -> list[str]:
    """The command lines of the processes whose environment names this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"SLUICE_VAR={var}\0" in (process / "environ").read_text(errors="replace"):
                found.append((process / "cmdline").read_text(errors="replace"))
        except OSError:
            continue  # ended meanwhile, or another person's
    return [line for line in found if line]


@contextmanager
def make_up(var: Path, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`make up`'s program, waited for until its ready line."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.stack"],
            cwd=REPOSITORY,
            env={**os.environ, **environment, "SLUICE_VAR": str(var), "LOAD": "off"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or "Sluice is ready" in log.read_text(),
            timeout=READY_SECONDS,
            what="the ready line",
        )
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(ENDED_SECONDS)


def test_the_system_comes_up_repairs_a_killed_worker_and_stops_its_parts(tmp_path: Path) -> None:
    said: list[str] = []
    with Stack(environment=free_environment(), var=tmp_path, say=said.append) as stack:
        headers = {"authorization": f"Bearer {stack.token}"}
        tier = requests.get(
            stack.place.url("SLUICE_WEB_PORT", "/api/v1/tiers/edge"), headers=headers, timeout=10
        )
        assert tier.status_code == 200

        before = stack.supervisor.pid("worker")
        stack.kill("worker")
        wait_until(
            lambda: stack.supervisor.pid("worker") not in (None, before), timeout=20, what="the worker"
        )
        assert any("worker was killed by SIGKILL" in line for line in said)

        stack.stop("prometheus")
        with pytest.raises(requests.ConnectionError):
            requests.get(stack.place.url("SLUICE_PROMETHEUS_PORT", "/-/ready"), timeout=5)
        stack.start("prometheus")
        assert requests.get(stack.place.url("SLUICE_PROMETHEUS_PORT", "/-/ready"), timeout=5).ok

        outcomes = stack.place.url("LAB_TRAFFIC_PORT", "/outcomes")
        wait_until(lambda: requests.get(outcomes, timeout=5).json()["answers"], timeout=20, what="traffic")
    assert processes_of(tmp_path) == []


def test_a_second_start_keeps_the_data_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    var, environment = tmp_path / "var", free_environment()
    with make_up(var, environment, tmp_path / "first.log") as first:
        said = (tmp_path / "first.log").read_text()
        assert re.search(rf"^Sluice is ready: http://127.0.0.1:{environment['SLUICE_WEB_PORT']}$", said, re.M)
        assert re.search(r"^login: admin / \S+$", said, re.M)
        token = (var / "admin-token").read_text()
        first.send_signal(signal.SIGINT)
        assert first.wait(ENDED_SECONDS) == 0
    assert processes_of(var) == []

    with make_up(var, environment, tmp_path / "second.log") as second:
        assert "Sluice is ready" in (tmp_path / "second.log").read_text()
        assert (var / "admin-token").read_text() == token
        second.send_signal(signal.SIGKILL)
        second.wait(5)
    # Nobody was there to end them: each was told to end when its parent died.
    wait_until(lambda: processes_of(var) == [], timeout=ENDED_SECONDS, what="no process left")


def test_a_folder_in_use_is_refused_with_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, **free_environment(), "SLUICE_VAR": str(tmp_path), "LOAD": "off"}
    with (tmp_path / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        argv = [sys.executable, "-m", "lab.stack"]
        refused = subprocess.run(
            argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )
    assert refused.returncode == 2
    assert refused.stdout.splitlines()[-1] == f"make up: {tmp_path} is in use by another `make up`"
