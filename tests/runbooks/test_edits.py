"""An edit never changes a run under way: it is measured and judged by what it began with."""

from datetime import timedelta
from typing import Any

import pytest

from runbooks import services
from runbooks.domain.writing import from_declaration
from runbooks.models import Run
from tests.runbooks.stepping import RETRY_OFF, SLUG, Stepping, alone, own, stepping
from tests.runbooks.world import ANN, QUICK

pytestmark = pytest.mark.django_db
TELL = {"did": "told", "steps": [{"do": "tell", "text": "it is there"}]}


def holding() -> Stepping:
    w = stepping(RETRY_OFF)
    w.storm()
    w.until("VERIFYING")
    w.retries_off()
    w.until("HOLDING")
    return w


def edit(w: Stepping, **changes: Any) -> None:
    """A second version of the runbook."""
    front = {**own(RETRY_OFF).front, **changes}
    declared = [from_declaration({"slug": SLUG, **front, "text": "Do it."})]
    services.declare(declared=declared, by=ANN, reason="v2", now=w.now)


def newest() -> dict[str, Any]:
    """What the run was measured by last."""
    found: dict[str, Any] = Run.objects.get().measurements.order_by("-id")[0].values
    assert found["why_no_data"] == ""
    values: dict[str, Any] = found["values"]
    return values


def test_a_signal_that_means_another_thing_now() -> None:
    with alone():
        w = holding()
        signals = own(RETRY_OFF).front["signals"]
        edit(w, signals={**signals, "failed": {**signals["failed"], "indicator": "first_attempts"}})
        w.ticks(3)
        assert w.states() == ["HOLDING"]
        assert newest()["failed"] == 50.0


def test_another_lookback() -> None:
    with alone():
        w = holding()
        policy = {**QUICK, "lookback": "20s"}
        services.set_policy(runbook=SLUG, tier="edge", policy=policy, by=ANN, reason="", now=w.now)
        w.ticks(3)
        assert newest()["first"] == 100.0


def test_another_scope() -> None:
    with alone():
        w = holding()
        edit(w, scope="tier", remedies={"own": TELL})
        w.ticks(3)
        assert newest()["first"] == 100.0
        assert w.states()[-1] == "HOLDING"


def test_a_run_of_another_scope_is_none_of_the_target() -> None:
    with alone():
        w = holding()
    target = {"runbook": SLUG, "tier": "edge", "subject": "shop"}
    assert Run.objects.on(**target, scope="route").exists()
    assert not Run.objects.on(**target, scope="upstream").exists()
    assert w.now - Run.objects.get().started_at < timedelta(minutes=2)


def test_what_both_ask_is_asked_once() -> None:
    with alone():
        w = holding()
        signals = own(RETRY_OFF).front["signals"]
        edit(w, signals={**signals, "failed": {**signals["failed"], "indicator": "proxy_errors"}})
        w.metrics.asked.clear()
        w.tick()
        assert len(w.metrics.asked) == len(set(w.metrics.asked))
        changed = len(w.metrics.asked)
        w.metrics.asked.clear()
        Run.objects.update(state="SUCCEEDED")
        w.tick()
        assert len(w.metrics.asked) == changed - 1
