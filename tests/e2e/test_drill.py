"""A drill against the running system, as a person at a shell does it: both held, and nothing stays."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from lab.programs import REPOSITORY
from tests.support.processes import wait_until
from tests.support.running import Running

pytestmark = [pytest.mark.stack, pytest.mark.real, pytest.mark.timeout(400)]


def drill(system: Running, *argv: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "drill", "--scale=0.2", *argv],
        cwd=REPOSITORY,
        env={**os.environ, **system.stack.place.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def faults(system: Running) -> list[str]:
    """The backends that are not healthy."""
    return [name for name, fault in system.lab("GET", "/faults").items() if fault["error_rate"]]


def settings(system: Running) -> str:
    """What holds for the runbook on the sample tier."""
    return system.stack.manage("runbook", "retry-storm", "edge")


def test_a_retry_storm_is_drilled_the_runbook_answers_and_all_is_as_before(calm: Running) -> None:
    before = settings(calm)
    out, err = drill(calm, "retry-storm", "--json").communicate(timeout=360)
    found: dict[str, Any] = json.loads(out)

    assert found["held"], err
    assert found["runbook"]["held"] == "yes"
    seconds = found["runbook"]["seconds"]
    sys.stdout.write(f"\nonset to stages: {seconds}\n")
    assert (
        seconds["fired"] < seconds["confirmed"] < seconds["acked"] < seconds["verified"] < seconds["reverted"]
    )
    assert faults(calm) == []
    assert calm.get("tiers/edge")["overlays"] == []
    assert settings(calm) == before
    assert "Defence held: yes. Runbook held: yes." in calm.page(f"/drills/{found['report']}/")


def test_a_drill_that_is_interrupted_heals_the_lab_and_puts_everything_back(calm: Running) -> None:
    before = settings(calm)
    running = drill(calm, "retry-storm")
    wait_until(lambda: faults(calm), timeout=90, what="the failure in the lab")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)

    assert running.returncode == 2, err
    assert faults(calm) == []
    assert calm.get("tiers/edge")["overlays"] == []
    assert settings(calm) == before
    assert all(not run["open"] for run in calm.get("runs?runbook=retry-storm"))
