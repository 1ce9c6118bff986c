"""What runbooks share: targets, budgets, the kill switch. One of them may not spend or hold what is another's."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from alerts.models import Outbox
from runbooks import services, texts
from runbooks.domain import mistakes
from runbooks.domain.writing import from_declaration, from_markdown
from runbooks.models import Run
from runbooks.services import mitigating
from telemetry.domain.errors import MetricsUnavailable
from tests.runbooks.rig import FIRST, OTHER, rig, two_runbooks
from tests.runbooks.stepping import SLUG, own, stepping
from tests.runbooks.world import ANN, QUICK, START, world

pytestmark = pytest.mark.django_db
TELL = {"do": "tell", "text": "hello"}


@pytest.mark.parametrize("mode", ["auto", "approve"])
def test_while_one_holds_a_target_another_begins_one_run_and_asks_nobody(mode: str) -> None:
    w = rig(actions=50, actions_in_all=50, flaps=50, hold_for="10m")
    raw = from_markdown(OTHER, texts.built_in()[FIRST].raw)
    symptom = {"signal": "failed_share", "at_least": "exhausted_share"}
    front = {**raw.front, "title": "Other storm", "cause": "other_storm", "symptom": symptom}
    other = from_declaration({"slug": OTHER, **front, "text": "Do it."})
    services.declare(declared=[other], by=ANN, reason="", now=START)
    with two_runbooks():
        w.mode("auto", FIRST)
        w.storms["shop"] = True
        w.until("MITIGATING")
        w.mode(mode, OTHER)
        w.ticks(60)
    holder, found = Run.objects.get(runbook=FIRST), Run.objects.filter(runbook=OTHER)
    assert {(run.state, run.why) for run in found} == {("SUPPRESSED", f"{holder.owner} holds the target")}
    assert found.count() == 1
    assert not Outbox.objects.filter(kind="APPROVAL").exists()


def test_a_switch_that_is_pressed_while_a_round_is_under_way_stops_the_write() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    real = mitigating._put

    def pressed(run: Run, look: Any) -> bool:
        assert not look.round.killed
        services.set_kill_switch(on=True, by=ANN, reason="", now=w.now)
        return real(run, look)

    with mock.patch.object(mitigating, "_put", pressed):
        for _ in range(10):
            w.tick()
            assert not w.live()
    assert "put" not in [step.event for step in w.run().steps]


def test_who_only_tells_spends_no_budget_of_actions() -> None:
    def both() -> dict[str, Any]:
        return {slug: texts.text(slug).definition for slug in (SLUG, "retry-storm")}

    with mock.patch.object(texts, "automated", both):
        w = stepping(TELL)
        loose = {**QUICK, "actions": 1000, "flaps": 1000, "cooldown": "15s"}
        services.set_policy(runbook=SLUG, tier="edge", policy=loose, by=ANN, reason="", now=START)
        w.mode("observe")
        w.storm()
        w.ticks(150)
        lately = Run.objects.filter(runbook=SLUG, mitigated_at__gte=w.now - timedelta(minutes=10))
        assert lately.count() > 6
        w.mode("auto")
        w.ticks(20)
    assert Run.objects.filter(runbook="retry-storm").exclude(mitigated_at=None).exists()


@pytest.mark.parametrize("name", ["actions_in_all", "left_out"])
def test_a_runbooks_text_may_not_widen_what_all_of_them_share(name: str) -> None:
    found = mistakes.of(own(TELL, policy={name: 1}))
    assert (f"policy.{name}", mistakes.NOT_ITS_OWN) in found


def test_two_good_looks_before_the_data_went_away_are_no_proof_that_it_worked() -> None:
    w = world(verify_for="60s")
    w.mode("auto")
    w.storm()
    w.until("VERIFYING")
    w.retries_off()
    w.ticks(8)
    w.metrics.fail(MetricsUnavailable("down"))
    w.ticks(60)
    assert w.states() == ["FAILED_REVERTED"]
    assert w.run().why == "too little data to tell"
