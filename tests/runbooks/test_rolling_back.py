"""The step that rolls back the canary that a run is about."""

from datetime import timedelta
from typing import Any

import pytest

import canary.selectors
import canary.services
import proxy.selectors
import proxy.services
from runbooks import services
from tests.canary.factories import PLAN, PROXIES
from tests.runbooks.stepping import RETRY_OFF, Stepping, alone, stepping, stepping_in, webhook
from tests.runbooks.world import ANN

pytestmark = pytest.mark.django_db
ROLL_BACK = {"do": "rollback_rollout"}


class WithCanary(Stepping):
    """A world in which proxies show what they run, and rollouts are taken further."""

    def tick(self, seconds: float = 2) -> None:
        super().tick(seconds)
        if self.acking:
            self.serve()
        canary.services.tick(metrics=self.metrics, admin=self.admin, now=self.now)

    def serve(self) -> None:
        live = proxy.selectors.served("edge", now=self.now).live
        splits = {route.name: dict(route.split) for route in live.routes}
        for address in PROXIES.values():
            self.admin.runs(address, splits, chosen={route.name: route.told for route in live.routes})  # type: ignore[attr-defined]
        self.ack()

    def weights(self) -> dict[str, int]:
        route = proxy.selectors.desired("edge", now=self.now).route("shop")
        assert route is not None
        return {arm: weight for arm, weight in route.split.items() if weight}


def with_canary(*steps: dict[str, Any], mode: str = "auto") -> tuple[WithCanary, int]:
    w = stepping_in(WithCanary, *steps, mode=mode)
    number = canary.services.start(
        route="shop", upstream="shop-v2", plan=PLAN, mode="approve", by=ANN, now=w.now
    )
    w.ticks(3)
    assert w.weights()["shop-v2"] == PLAN["steps"][0]
    return w, number


def state(number: int) -> str:
    return canary.selectors.rollout(number).row.state


def test_the_plan_names_the_rollout_and_what_its_canary_gets() -> None:
    with alone():
        w, number = with_canary(ROLL_BACK, mode="approve")
        w.storm()
        plan = w.until("AWAITING_APPROVAL").plan
    assert plan is not None
    assert plan.summary == f"roll back rollout {number}: shop-v2 gets 0 % of shop, and stays there"
    assert plan.undo.startswith("nothing takes back")
    assert state(number) in ("running", "awaiting_approval")


def test_the_canary_gets_nothing_on_every_proxy_before_the_next_step() -> None:
    with alone():
        w, number = with_canary(ROLL_BACK, RETRY_OFF)
        w.storm()
        w.until("VERIFYING")
        assert state(number) == "rolled_back"
        assert "shop-v2" not in w.weights()
        assert w.events().index("did") < w.events().index("put")
        services.cancel(run_id=w.run().id, by=ANN, reason="stop", now=w.now)
        w.until("CANCELLED")
    assert state(number) == "rolled_back"
    assert (w.live(), "shop-v2" in w.weights()) == ([], False)


def test_proxies_that_do_not_obey_hold_the_next_step() -> None:
    with alone():
        w, number = with_canary(ROLL_BACK, RETRY_OFF)
        w.storm()
        w.until("CONFIRMING")
        w.acking = False
        w.until("MITIGATING")
        w.ticks(5)
        assert (state(number), w.states()[0], w.events()[-1]) == ("rolling_back", "MITIGATING", "intend")
        w.acking = True
        w.until("VERIFYING")


def test_a_worker_that_dies_after_any_commit_rolls_back_once() -> None:
    with alone():
        w, number = with_canary(ROLL_BACK, RETRY_OFF)
        w.storm()
        w.until("MITIGATING")
        for at in (1, 2, 3, 4):
            w.crash(at)
        w.until("VERIFYING", rounds=60)
    assert state(number) == "rolled_back"


def test_without_a_rollout_there_is_nothing_to_do() -> None:
    with alone():
        w = stepping(ROLL_BACK)
        w.storm()
        w.until("SUPPRESSED")
    assert w.run().why == "it cannot be planned: there is no rollout to roll back on shop"


def test_a_rollout_that_was_promoted_meanwhile_fails_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_HOOK_SECRET_OPS", "what the tests sign with")
    monkeypatch.setattr("django.conf.settings.HOOK_HOSTS", ["127.0.0.1"])
    with alone():
        w, number = with_canary(webhook(), ROLL_BACK)
        w.storm()
        w.receiver.mode = "refused connection"
        w.until("MITIGATING")
        canary.services.promote(rollout_id=number, by=ANN, reason="sure", now=w.now)
        for _ in range(10):
            w.now += timedelta(seconds=1)
            w.serve()
            canary.services.tick(metrics=w.metrics, admin=w.admin, now=w.now)
        assert state(number) == "promoted"
        w.receiver.mode = "ok"
        w.until("FAILED_REVERTED", rounds=60)
        assert f"rollout {number} was promoted meanwhile" in w.run().why
        assert w.receiver.done == ["a", "un-a"]
