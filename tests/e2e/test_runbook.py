"""The retry storm on the running system: detected, confirmed, approved, mitigated, verified, reverted."""

import json
from typing import Any

import pytest

from tests.support.processes import wait_until
from tests.support.running import Running

pytestmark = [pytest.mark.stack, pytest.mark.real, pytest.mark.timeout(600)]

QUICK = {
    "lookback": "10s",
    "confirm_for": "4s",
    "verify_for": "6s",
    "quiet_for": "6s",
    "cooldown": "15s",
}
STORM = {"error_rate": 0.9, "status": 503, "retry_after": 0}


def set_policy(system: Running) -> None:
    """Shorter windows on the sample tier, as data: the steps are the same."""
    code = (
        "from django.utils import timezone; from audit.domain.actor import Actor; from runbooks import services; "
        f"services.set_policy(runbook='retry-storm', tier='edge', policy={json.dumps(QUICK)}, "
        "by=Actor('tests', 'cli'), reason='tests are short', now=timezone.now())"
    )
    system.stack.manage("shell", "--no-imports", "-c", code)


def runs(system: Running, known: set[int]) -> list[dict[str, Any]]:
    return [run for run in system.get("runs?runbook=retry-storm") if run["id"] not in known]


def wait_run(system: Running, number: int, *states: str, timeout: float = 90) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        run: dict[str, Any] = system.get(f"runs/{number}")
        return run if run["state"] in states else None

    found = wait_until(reached, timeout=timeout, what=f"run {number} in {' or '.join(states)}")
    assert found is not None
    return found


def retried(system: Running) -> int:
    counts = system.lab("GET", "/counts")["counts"]
    return sum(counts[name]["retried"] for name in ("shop-v1-a", "shop-v1-b"))


def wait_served(system: Running, requests: int) -> None:
    before = system.counts("shop-v1-a")["total"]
    wait_until(
        lambda: system.counts("shop-v1-a")["total"] >= before + requests, timeout=60, what="shop traffic"
    )


def test_a_retry_storm_is_mitigated_after_approval_and_reverted(calm: Running) -> None:
    set_policy(calm)
    known = {run["id"] for run in calm.get("runs")}

    calm.break_backend("shop-v1", **STORM)
    proposed = wait_until(lambda: runs(calm, known), timeout=60, what="a run")[0]
    waiting = wait_run(calm, proposed["id"], "awaiting_approval")
    assert waiting["route"] == "shop"
    assert waiting["plan"]["changes"], "the exact difference is shown"
    before = retried(calm)
    wait_served(calm, 50)
    assert retried(calm) > before, "nothing is done before somebody says yes"

    assert calm.press("run.approve")["acknowledged"]
    wait_run(calm, waiting["id"], "verifying", "holding")
    before = retried(calm)
    wait_served(calm, 100)
    assert retried(calm) == before, "retries are off"

    wait_run(calm, waiting["id"], "holding")
    calm.heal()
    done = wait_run(calm, waiting["id"], "succeeded", timeout=120)

    assert done["incident_id"] is not None
    tier = calm.get("tiers/edge")
    assert tier["overlays"] == []
    link = f"/runbooks/retry-storm/?incident={done['incident_id']}"
    assert any(link in json.dumps(message) for message in calm.messages())
    entries = calm.get("audit?target=edge/")
    assert {"overlay.put", "overlay.deleted"} <= {entry["action"] for entry in entries}
    assert ("admin", "slack") in {(e["actor"], e["source"]) for e in entries if e["action"] == "run.approve"}
    (asked,) = [m for m in calm.messages() if m["text"].startswith(f"Approve? Run {waiting['id']} ")]
    assert "by admin in Slack" in json.dumps(asked["blocks"])
