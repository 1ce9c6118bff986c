"""A run from its proposal to its end, on the real services of proxy and alerts."""

from datetime import timedelta
from typing import Any

import pytest

import alerts.selectors
import alerts.services
import audit.selectors
import proxy.selectors
import proxy.services
from proxy.memory import InMemoryAdmin
from runbooks import selectors, services
from runbooks.domain import policy as policies
from runbooks.domain.retry_storm import Measure
from runbooks.domain.states import ENDED, WrongState
from runbooks.models import Measurement, Run, Step
from runbooks.services import acting, conducting
from runbooks.services.moving import Overtaken
from telemetry.domain.errors import MetricsUnavailable
from tests.runbooks.world import ANN, World, world

pytestmark = pytest.mark.django_db


class Admin(InMemoryAdmin):
    """Proxies whose dump holds this one route."""

    def __init__(self, route: dict[str, Any]) -> None:
        super().__init__()
        self._route = route

    def config_dump(self, address: str) -> dict[str, Any]:
        return {"configs": [{"dynamic_route_configs": [{"route_config": {"routes": [self._route]}}]}]}


def asking(**policy: Any) -> World:
    """A storm whose run waits for approval."""
    made = world(**policy)
    made.storm()
    made.until("AWAITING_APPROVAL")
    return made


def holding(**policy: Any) -> World:
    """A run by itself that worked."""
    made = world(**policy)
    made.mode("auto")
    made.storm()
    made.until("VERIFYING")
    made.retries_off()
    made.until("HOLDING")
    return made


def test_a_quiet_tier_starts_nothing_and_shows_its_values() -> None:
    w = world()
    w.ticks(5)
    assert w.states() == []
    (shop,) = [row for row in selectors.detections() if row.route == "shop"]
    assert (shop.said, shop.numbers["Retries per first attempt"]) == ("calm", "0.0 %")


def test_a_storm_is_confirmed_and_asks_with_the_exact_difference() -> None:
    w = asking()
    run = w.run()
    assert run.plan is not None
    assert run.plan.routes == ("shop",)
    assert run.plan.proxies == ("edge-1", "edge-2")
    assert any("retry" in change for change in run.plan.changes)
    assert w.live() == []
    message = alerts.selectors.message(f"run/{run.id}/approval/{run.plan_hash}")
    assert message is not None
    assert message.kind == "APPROVAL"
    assert f"/runbooks/retry-storm/?incident={run.incident_id}" in str(message.blocks)


def test_an_approved_run_goes_all_the_way_and_leaves_nothing() -> None:
    w = asking()
    w.approve()
    w.until("VERIFYING")
    assert w.live() == ["route/shop/retry"]
    w.retries_off()
    w.until("HOLDING")
    w.healthy()
    w.until("SUCCEEDED")
    assert w.history() == [
        "PROPOSED",
        "CONFIRMING",
        "AWAITING_APPROVAL",
        "CONFIRMING",
        "MITIGATING",
        "MITIGATING",
        "VERIFYING",
        "HOLDING",
        "REVERTING",
        "SUCCEEDED",
    ]
    assert w.live() == []
    assert [t.owner for t in proxy.selectors.targets("edge")] == [""]


def test_every_version_has_one_step_and_one_audit_row() -> None:
    w = holding()
    w.healthy()
    w.until("SUCCEEDED")
    run = w.run()
    versions = [e.detail["version"] for e in audit.selectors.entries(action="run.", limit=500)]
    assert sorted(versions) == [step.version for step in run.steps] == list(range(1, len(run.steps) + 1))


def test_mode_auto_acts_without_asking() -> None:
    w = holding()
    assert "AWAITING_APPROVAL" not in w.history()
    assert w.live() == ["route/shop/retry"]


def test_mode_observe_only_tells_and_says_so_once() -> None:
    w = world()
    w.mode("observe")
    w.storm()
    w.ticks(30)
    assert w.states() == ["SUPPRESSED"]
    (incident,) = alerts.selectors.open_incidents()
    assert (incident.cause, incident.runbook) == ("retry_storm", "retry-storm")
    posts = [m for m in alerts.selectors.messages() if m.op == "post"]
    assert len(posts) == 1


def test_retries_that_heal_are_left_alone() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.wasted = 5.0
    w.ticks(10)
    assert w.states() == []


def test_a_blip_is_not_confirmed_and_pages_nobody() -> None:
    w = world()
    w.storm()
    w.tick()
    w.healthy()
    w.tick()
    assert w.states() == ["NOT_CONFIRMED"]
    assert alerts.selectors.incidents() == []


@pytest.mark.parametrize("cut", ["prometheus", "scrapes", "traffic"])
def test_no_data_starts_nothing(cut: str) -> None:
    w = world()
    w.storm()
    {
        "prometheus": lambda: w.metrics.fail(MetricsUnavailable("down")),
        "scrapes": lambda: setattr(w, "scrape_age", 60.0),
        "traffic": lambda: setattr(w, "first", None),
    }[cut]()
    w.ticks(10)
    assert w.states() == []
    assert {row.said for row in selectors.detections()} == {"no_data"}


def test_a_revert_still_happens_without_data() -> None:
    w = holding()
    w.metrics.fail(MetricsUnavailable("down"))
    w.until("SUCCEEDED", rounds=80)
    assert w.live() == []


def test_what_gets_worse_is_taken_back_at_once() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.until("VERIFYING")
    w.retries, w.wasted, w.failed = 0.0, 0.0, 90.0
    w.until("FAILED_REVERTED")
    assert "first attempts fail more" in w.run().why
    assert w.live() == []


def test_what_does_not_help_is_taken_back_after_one_extension() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.until("FAILED_REVERTED")
    assert w.history().count("VERIFYING") == 2
    assert w.live() == []


def test_what_no_proxy_acknowledges_is_taken_back_and_then_needs_a_person() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.acking = False
    w.until("NEEDS_HUMAN")
    run = w.run()
    assert w.live() == []
    assert "edge-1, edge-2" in run.why
    assert [m.kind for m in alerts.selectors.messages() if m.kind == "NEEDS_HUMAN"] == ["NEEDS_HUMAN"]
    assert proxy.selectors.targets("edge")[0].owner == f"run/{run.id}"
    w.ack()
    w.until("FAILED_REVERTED")
    assert proxy.selectors.targets("edge")[0].owner == ""


def test_a_refusal_by_a_proxy_is_taken_back_with_its_reason() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.acking = False
    w.until("MITIGATING")
    generation = proxy.selectors.generation("edge")
    proxy.services.record_nack(
        tier="edge", proxy="edge-2", generation=generation, kind="RDS", reason="bad route", now=w.now
    )
    w.acking = True
    proxy.services.record_ack(tier="edge", proxy="edge-1", generation=generation, now=w.now)
    w.until("FAILED_REVERTED")
    assert w.run().why == "edge-2 refused it: bad route"


def test_a_proxy_that_runs_something_else_overrules_its_acknowledgement() -> None:
    w = world()
    w.mode("auto")
    w.admin = Admin({"name": "shop", "route": {"retry_policy": {"num_retries": 2}}})
    w.storm()
    w.until("FAILED_REVERTED")
    assert w.run().why == "edge-1 acknowledged it, but retries 2 times"


def test_what_the_proxies_run_is_read_back_as_evidence() -> None:
    w = world()
    w.mode("auto")
    w.admin = Admin({"name": "shop", "route": {"retry_policy": {"num_retries": 0}}})
    w.storm()
    run = w.until("VERIFYING")
    assert run.steps[-1].evidence["read_back"] == {"edge-1": "does not retry", "edge-2": "does not retry"}


def test_a_person_cancels_and_it_is_taken_back_at_once() -> None:
    w = holding()
    services.cancel(run_id=w.run().id, by=ANN, reason="not now", now=w.now)
    assert w.live() == []
    w.until("CANCELLED")
    assert w.run().steps[-2].actor == "ann"


def test_a_cancelled_proposal_ends_without_a_trace_on_the_tier() -> None:
    w = asking()
    services.cancel(run_id=w.run().id, by=ANN, reason="not now", now=w.now)
    assert w.states() == ["CANCELLED"]
    with pytest.raises(WrongState):
        services.cancel(run_id=w.run().id, by=ANN, reason="again", now=w.now)


def test_a_denied_run_ends_and_is_not_asked_again_in_the_cooldown() -> None:
    w = asking()
    services.deny(run_id=w.run().id, by=ANN, reason="no", now=w.now)
    w.ticks(12)
    assert w.states() == ["DENIED"]
    w.ticks(10)
    assert w.states() == ["AWAITING_APPROVAL", "DENIED"]


def test_nobody_approves_and_it_expires() -> None:
    w = asking()
    w.until("EXPIRED")


def test_a_storm_that_is_over_is_not_asked_about() -> None:
    w = asking()
    w.healthy()
    w.until("NOT_CONFIRMED")


def test_the_symptom_is_confirmed_again_after_the_approval() -> None:
    w = asking()
    w.healthy()
    w.approve()
    w.until("NOT_CONFIRMED")
    assert w.live() == []


def test_an_approval_is_for_the_plan_that_was_looked_at() -> None:
    w = asking()
    with pytest.raises(services.PlanChanged):
        services.approve(run_id=w.run().id, plan_hash="another", by=ANN, reason="", now=w.now)


def test_an_approval_after_its_time_is_refused() -> None:
    w = asking()
    with pytest.raises(services.ApprovalOver):
        services.approve(
            run_id=w.run().id,
            plan_hash=w.run().plan_hash,
            by=ANN,
            reason="",
            now=w.now + timedelta(minutes=5),
        )


def test_a_plan_that_changes_after_the_approval_is_asked_again() -> None:
    w = asking(remedy="retry_budget")
    w.approve()
    fence = proxy.services.lease(
        tier="edge",
        target="route/shop/weights",
        owner="rollout/1",
        until=w.now + timedelta(minutes=5),
        by=ANN,
        now=w.now,
    )
    proxy.services.put_overlay(
        tier="edge",
        target="route/shop/weights",
        owner="rollout/1",
        patch={"kind": "weights", "route": "shop", "weights": {"shop-v1": 9500, "shop-v2": 500}},
        fence=fence,
        expires_at=w.now + timedelta(minutes=5),
        by=ANN,
        reason="",
        now=w.now,
    )
    w.until("CONFIRMING")
    w.until("AWAITING_APPROVAL")
    assert w.live() == ["route/shop/weights"]
    assert len(w.run().approvals) == 1


def test_the_budget_remedy_tightens_every_upstream_that_has_traffic() -> None:
    w = world(remedy="retry_budget")
    w.mode("auto")
    w.storm()
    w.until("VERIFYING")
    assert w.live() == ["upstream/shop-v1/retry_budget"]


def test_a_target_that_somebody_holds_is_left_alone() -> None:
    w = world()
    w.mode("auto")
    proxy.services.lease(
        tier="edge",
        target="route/shop/retry",
        owner="ann",
        until=w.now + timedelta(hours=1),
        by=ANN,
        now=w.now,
    )
    w.storm()
    w.until("SUPPRESSED")
    assert w.run().why == "ann holds the target"


def test_the_kill_switch_stops_and_takes_back() -> None:
    w = holding()
    services.set_kill_switch(on=True, by=ANN, reason="freeze", now=w.now)
    w.until("FAILED_REVERTED")
    w.storm()
    w.ticks(40)
    assert w.live() == []
    assert set(w.states()) <= set(ENDED)


def test_a_silenced_target_gets_no_new_run() -> None:
    w = world()
    w.mode("observe")
    w.storm()
    w.until("SUPPRESSED")
    alerts.services.silence(
        incident_id=alerts.selectors.open_incidents()[0].id,
        until=w.now + timedelta(hours=1),
        by=ANN,
        reason="known",
        now=w.now,
    )
    w.mode("auto")
    w.ticks(10)
    assert w.live() == []
    assert w.run().why == "the target is silenced"


def test_a_consequence_of_a_canary_starts_nothing() -> None:
    w = world()
    w.mode("auto")
    alerts.services.signal(
        rule="canary-failed",
        labels={"tier": "edge", "route": "shop", "upstream": "shop-v2"},
        severity="page",
        originator="backend",
        summary="shop-v2 fails",
        numbers={},
        action="",
        runbook="canary-rolled-back",
        cause="canary",
        by=ANN,
        now=w.now,
    )
    w.storm()
    w.ticks(10)
    assert set(w.states()) == {"SUPPRESSED"}
    assert "consequence of canary" in w.run().why
    assert len(alerts.selectors.open_incidents()) == 1


def test_after_two_actions_automatic_mode_asks() -> None:
    w = world(cooldown="15s", hold_for="10s")
    w.mode("auto")
    w.storm()
    w.until("VERIFYING")
    w.retries_off()
    w.until("SUCCEEDED", rounds=80)
    w.storm()
    w.until("VERIFYING")
    w.retries_off()
    w.until("SUCCEEDED", rounds=80)
    w.storm()
    w.until("AWAITING_APPROVAL")
    assert "automatic mode is off here" in w.run().why


def test_the_incident_is_mitigated_while_it_holds_and_resolves_after() -> None:
    w = holding()
    (incident,) = alerts.selectors.open_incidents()
    assert incident.state == "MITIGATED"
    w.healthy()
    w.until("SUCCEEDED")
    w.ticks(10)
    assert alerts.selectors.open_incidents() == []


def test_a_worker_that_died_after_the_intent_is_repaired_by_the_next_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    w.mode("auto")
    w.storm()

    def killed(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            w.ticks(10)
    assert (w.states(), w.live()) == (["MITIGATING"], [])
    w.until("VERIFYING")
    assert w.live() == ["route/shop/retry"]


def test_an_intent_that_has_grown_old_is_not_acted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world()
    w.mode("auto")
    w.storm()

    def killed(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            w.ticks(10)
    w.tick(60)
    w.until("FAILED_REVERTED")
    assert w.live() == []


def test_a_worker_that_stalled_before_its_write_is_stopped_by_a_cancel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    w.mode("auto")
    w.storm()

    def killed(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            w.ticks(10)
    stalled = Run.objects.get()
    services.cancel(run_id=stalled.pk, by=ANN, reason="stop", now=w.now)
    look = conducting.Look(w.now, Measure(at=w.now), policies.policy(stalled.policy), w.admin)
    with pytest.raises(Overtaken):
        conducting.STEPS["MITIGATING"](stalled, look)
    assert w.live() == []
    w.until("CANCELLED")


def test_an_expired_overlay_ends_the_run_though_no_worker_lived() -> None:
    w = holding()
    w.tick(3600)
    w.until("SUCCEEDED")
    assert w.run().steps[-2].why == "its time is over"


def test_two_rounds_at_once_move_a_run_once() -> None:
    w = asking()
    Run.objects.update(claim_token="another", claimed_until=w.now + timedelta(seconds=5))
    before = Step.objects.count()
    w.ticks(2)
    assert Step.objects.count() == before
    assert Measurement.objects.count() > 0
    w.until("EXPIRED")


def test_an_edit_never_changes_a_run_under_way() -> None:
    w = asking()
    services.set_policy(
        runbook="retry-storm", tier="edge", policy={"hold_for": "1h"}, by=ANN, reason="", now=w.now
    )
    assert w.run().policy.hold_for == timedelta(minutes=1)


def test_a_runbook_shows_its_text_mode_and_runs() -> None:
    w = asking()
    row = selectors.runbook("retry-storm")
    assert row is not None
    assert "<h2>What it means</h2>" in row.html
    assert [(m.tier, m.mode, m.declared) for m in row.modes] == [("edge", "approve", "approve")]
    assert [r.id for r in row.runs] == [w.run().id]
