"""A drill against the running system, as a person at a shell does it: both held, and nothing stays."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import requests

from lab.programs import REPOSITORY
from tests.support.processes import wait_until
from tests.support.running import Running

pytestmark = [pytest.mark.stack, pytest.mark.real, pytest.mark.timeout(400)]


STAGES = ("fired", "confirmed", "acked", "verified", "healed", "reverted")


def python(system: Running, *argv: str) -> "subprocess.Popen[str]":
    """A process on the system's database."""
    return subprocess.Popen(
        [sys.executable, *argv],
        cwd=REPOSITORY,
        env={**os.environ, **system.stack.place.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def drill(system: Running, *argv: str) -> "subprocess.Popen[str]":
    return python(system, "manage.py", "drill", "--scale=0.2", *argv)


def post(system: Running, path: str) -> requests.Response:
    """What the button of a page sends, as the first administrator."""
    url = system.stack.place.url("SLUICE_WEB_PORT")
    password = (system.stack.place.var / "admin-password").read_text().strip()
    with requests.Session() as session:
        for address, form in (("/login/", {"username": "admin", "password": password}), (path, {})):
            session.get(f"{url}/login/", timeout=10)
            token = {"csrfmiddlewaretoken": session.cookies["csrftoken"]}
            answer = session.post(
                f"{url}{address}", data={**form, **token}, timeout=10, allow_redirects=False
            )
    return answer


def faults(system: Running) -> list[str]:
    """The backends that are not healthy."""
    found = system.lab("GET", "/faults").items()
    return [name for name, fault in found if fault["error_rate"] or fault["latency_ms"]]


def settings(system: Running) -> str:
    """What holds for the runbook on the sample tier."""
    return system.stack.manage("runbook", "retry-storm", "edge")


def in_order(answering: dict[str, Any]) -> None:
    """Every stage was reached, one after the other."""
    seconds = answering["seconds"]
    sys.stdout.write(f"\n{answering['runbook']}, s since the onset: {seconds}\n")
    assert [seconds[stage] for stage in STAGES] == sorted(seconds[stage] for stage in STAGES)


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


def test_a_hotspot_a_storm_of_handshakes_and_a_brownout_are_each_answered_by_their_runbook(
    calm: Running,
) -> None:
    names = ("grpc-hotspot", "handshake-storm", "brownout")
    out, err = python(calm, "-m", "tests.drills.together", *names).communicate(timeout=360)
    found: dict[str, Any] = json.loads(out)

    assert {name: each["held"] for name, each in found.items()} == dict.fromkeys(names, "yes"), err
    for answering in found.values():
        in_order(answering)
    assert faults(calm) == []
    assert calm.get("tiers/edge")["overlays"] == []
    assert "ring_hash" not in calm.stack.manage("export", "edge")


def test_clients_that_never_end_their_headers_are_answered_by_their_runbook(calm: Running) -> None:
    """By itself: it is about the whole tier, as the storm of handshakes is, and one run holds that at a time."""
    out, err = python(calm, "-m", "tests.drills.together", "slow-header").communicate(timeout=360)
    assert out, err
    answering: dict[str, Any] = json.loads(out)["slow-clients"]

    assert answering["held"] == "yes", err
    in_order(answering)
    assert calm.get("tiers/edge")["overlays"] == []


def test_a_drill_that_is_started_on_its_page_leaves_a_report_there(calm: Running) -> None:
    answer = post(calm, "/drills/hol-backend/start/")
    assert answer.status_code == 302, answer.text
    report = answer.headers["Location"]

    def ended() -> str:
        page = calm.page(report)
        return page if "Defence held" in page else ""

    page = wait_until(ended, timeout=120, what="the report", every=1)
    assert "Defence held: yes. Runbook held: none." in page


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
