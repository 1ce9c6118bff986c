"""What stops a run that has a storm to act on."""

from datetime import timedelta

import pytest

import alerts.selectors
import alerts.services
import proxy.selectors
import proxy.services
from tests.runbooks.world import ANN, World, world

pytestmark = pytest.mark.django_db


def canary_failed(w: World) -> int:
    return alerts.services.signal(
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
    canary_failed(w)
    w.storm()
    w.ticks(10)
    assert set(w.states()) == {"SUPPRESSED"}
    assert "consequence of canary" in w.run().why
    assert len(alerts.selectors.open_incidents()) == 1


def brownout(w: World, upstream: str) -> int:
    return alerts.services.signal(
        rule="brownout",
        labels={"tier": "edge", "upstream": upstream},
        severity="page",
        originator="backend",
        summary=f"{upstream} browns out",
        numbers={},
        action="",
        runbook="brownout",
        cause="brownout",
        by=ANN,
        now=w.now,
    )


def test_a_consequence_of_a_brownout_behind_the_route_starts_nothing_and_tells_nobody() -> None:
    w = world()
    w.mode("auto")
    number = brownout(w, "shop-v1")
    w.storm()
    w.ticks(10)
    assert set(w.states()) == {"SUPPRESSED"}
    assert "consequence of brownout" in w.run().why
    assert [row.id for row in alerts.selectors.open_incidents()] == [number]
    firing = [m for m in alerts.selectors.messages() if m.kind == "FIRING"]
    assert [m.incident_id for m in firing] == [number]


def test_a_brownout_behind_another_route_holds_no_run_back() -> None:
    w = world()
    w.mode("auto")
    brownout(w, "payments-v9")
    w.storm()
    w.until("VERIFYING")


def test_an_approval_counts_though_a_canary_was_rolled_back_here_before() -> None:
    w = world()
    number = canary_failed(w)
    alerts.services.mitigate(incident_id=number, by=ANN, reason="weight 0", now=w.now)
    w.storm()
    w.until("AWAITING_APPROVAL")
    w.approve()
    w.until("VERIFYING")
    (incident,) = alerts.selectors.open_incidents()
    assert (incident.id, incident.cause) == (number, "retry_storm")
    assert incident.title.startswith("Retry storm on shop")


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
