"""Splits by real Envoys: who gets which arm, who keeps it, and what a change of weights moves."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone

from canary import services as rollouts
from canary.selectors import rollout
from proxy import selectors
from proxy.envoy_admin import EnvoyAdmin
from telemetry.memory import InMemoryMetrics
from tests.proxy.factories import weights
from tests.proxy.world import BY, World
from tests.support.processes import wait_until
from tests.support.tokens import Issuer

pytestmark = pytest.mark.real

SHOP = "route/shop/weights"
STABLE, CANARY = "shop-v1", "shop-v2"
VISITORS = 150


def shop(canary: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "name": "shop",
        "hosts": ["shop.test"],
        "split": {STABLE: 10000 - canary, CANARY: canary},
        **fields,
    }


def serve(world: World, *routes: dict[str, Any], **tier: Any) -> None:
    world.wait_acked(world.apply({"routes": list(routes), "objectives": [], **tier}))


def arm(answer: requests.Response) -> str:
    return answer.headers["x-lab-backend"].rpartition("-")[0]


def cookie_of(answer: requests.Response, name: str = "sluice_uid") -> str:
    """The value that the answer sets; the test's own sessions keep none."""
    value, _, attributes = answer.headers["set-cookie"].removeprefix(f"{name}=").partition("; ")
    assert attributes == "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
    return value


def canaries(world: World, visitors: Iterable[str], proxy: str = "EDGE_1") -> set[str]:
    """Those of the visitors, told by their cookies, who get the canary."""
    found = set()
    for visitor in visitors:
        answer = world.get("shop.test", headers={"cookie": f"a=1; sluice_uid={visitor}"}, proxy=proxy)
        assert "set-cookie" not in answer.headers
        if arm(answer) == CANARY:
            found.add(visitor)
    return found


def ramp(world: World, canary: int) -> None:
    _, generation = world.put(weights(canary), SHOP)
    world.wait_acked(generation)


def test_a_new_visitor_keeps_the_arm_of_the_first_answer_on_every_proxy(world: World) -> None:
    traced = {
        "enabled": True,
        "sampling": 100,
    }  # with traces Envoy would write into the id that becomes the cookie
    serve(world, shop(3000, sticky={"cookie": "sluice_uid"}), tracing=traced)
    world.get("shop.test", headers={"connection": "close"})  # one that is older than the tracing
    first = {}
    for _ in range(60):
        answer = world.get("shop.test", headers={"cookie": "a=1"})
        first[cookie_of(answer)] = arm(answer)
    drawn = {visitor for visitor, got in first.items() if got == CANARY}
    assert len(first) == 60
    assert 5 <= len(drawn) <= 35
    assert canaries(world, first) == canaries(world, first, "EDGE_2") == drawn


def test_a_visitor_s_cookie_lasts_and_is_kept_to_https_as_declared(world: World) -> None:
    serve(world, shop(3000, sticky={"cookie": "arm", "ttl": "1h", "secure": True}))
    set_ = world.get("shop.test").headers["set-cookie"]
    assert set_.partition("; ")[2] == "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"


def test_no_client_chooses_its_arm_by_a_request_id_of_its_own(world: World) -> None:
    serve(world, shop(5000, sticky={"cookie": "sluice_uid"}))
    mine = {"x-request-id": "04464a27-8992-4e84-8123-0123456789ab"}
    answers = [world.get("shop.test", headers={"cookie": "a=1", **mine}) for _ in range(30)]
    assert {arm(answer) for answer in answers} == {STABLE, CANARY}
    assert mine["x-request-id"] not in {cookie_of(answer) for answer in answers}


def test_a_ramp_by_overlays_moves_nobody_out_of_the_canary_and_zero_moves_all(world: World) -> None:
    serve(world, shop(0, sticky={"cookie": "sluice_uid"}))
    visitors = [f"visitor-{number}" for number in range(VISITORS)]
    ramp(world, 1000)
    tenth = canaries(world, visitors)
    assert VISITORS * 0.04 < len(tenth) < VISITORS * 0.18
    ramp(world, 3000)
    third = canaries(world, visitors)
    assert tenth < third
    ramp(world, 0)
    assert canaries(world, visitors) == set()
    ramp(world, 1000)
    assert canaries(world, visitors) == tenth
    ramp(world, 10000)
    assert canaries(world, visitors[:30]) == set(visitors[:30])


def test_a_header_keeps_its_bearer_on_an_arm_and_others_are_drawn_anew(world: World) -> None:
    serve(world, shop(5000, sticky={"header": "X-User-Id"}))
    for user in ("ann", "bob", "cat", "dan"):
        answers = [world.get("shop.test", headers={"x-user-id": user}) for _ in range(8)]
        assert len({arm(answer) for answer in answers}) == 1
        assert "set-cookie" not in answers[0].headers
    users = {arm(world.get("shop.test", headers={"x-user-id": f"u{number}"})) for number in range(30)}
    assert users == {STABLE, CANARY}
    assert set(world.arms(40)) == {STABLE, CANARY}


def test_an_attribute_chooses_an_arm_whatever_the_weights(world: World) -> None:
    arms = [
        {"upstream": STABLE, "match": {"headers": [{"name": "x-canary", "exact": "never"}]}},
        {"upstream": CANARY, "match": {"headers": [{"name": "x-canary", "exact": "always"}]}},
        {"upstream": CANARY, "match": {"cookies": [{"name": "tester", "present_match": True}]}},
    ]
    serve(world, shop(0, arms=arms, sticky={"cookie": "sluice_uid"}, prefix="/s"))

    def gets(**headers: str) -> set[str]:
        return {arm(world.get("shop.test", "/s/x", headers=headers)) for _ in range(5)}

    assert gets() == gets(cookie="sluice_uid=x") == {STABLE}
    assert gets(**{"x-canary": "always"}) == gets(cookie="tester=1; sluice_uid=x") == {CANARY}
    assert world.get("shop.test", "/", headers={"x-canary": "always"}).status_code == 404
    ramp(world, 10000)
    assert gets() == {CANARY}
    assert gets(**{"x-canary": "never"}) == {STABLE}


def test_all_arms_are_measured_as_one_route_and_told_apart_by_arm(world: World) -> None:
    chosen = {"upstream": CANARY, "match": {"headers": [{"name": "x-canary", "exact": "always"}]}}
    serve(world, {**shop(0, arms=[chosen], sticky={"cookie": "sluice_uid"}), "name": "measured"})
    world.reconnect()  # a kept connection goes on to be measured as before the first arm
    for headers in ({}, {"cookie": "sluice_uid=x"}, {"x-canary": "always"}):
        assert world.get("shop.test", headers=headers).status_code == 200

    def counted(upstream: str, name: str = "envoy_sluice_attempt") -> float:
        return world.metric(name, route="measured", arm=upstream)

    wait_until(lambda: counted(STABLE) + counted(CANARY) == 3, timeout=5, what="three attempts counted")
    assert (counted(STABLE), counted(CANARY)) == (2, 1)
    assert (counted(STABLE, "envoy_sluice_rq"), counted(CANARY, "envoy_sluice_rq")) == (2, 1)
    for name in ("envoy_sluice_attempt", "envoy_sluice_rq"):
        assert world.metric(name, route="measured", arm=CANARY, chosen="attribute") == 1
        assert world.metric(name, route="measured", arm=STABLE, chosen="") == 2


def test_a_tier_that_begins_to_write_a_label_goes_on_with_its_series(world: World) -> None:
    """Two that differ only in an empty label are one to Prometheus: of two values it would take either."""
    chosen = {"upstream": CANARY, "match": {"headers": [{"name": "x-canary", "exact": "always"}]}}
    plain = {"name": "told-once", "hosts": ["shop.test"], "upstream": STABLE}
    for route in (plain, {**shop(0, arms=[chosen]), "name": "told-once"}):
        serve(world, route)
        assert world.get("shop.test", headers={"connection": "close"}).status_code == 200

    def told() -> list[list[float]]:
        return [world.series(f"envoy_sluice_{name}", route="told-once") for name in ("attempt", "rq")]

    wait_until(lambda: told() == [[2.0], [2.0]], timeout=5, what="one series each")


def test_a_rollout_on_a_sticky_route_moves_visitors_in_and_its_rollback_moves_all_out(world: World) -> None:
    serve(world, shop(0, sticky={"cookie": "sluice_uid"}))
    visitors = [f"visitor-{number}" for number in range(60)]
    plan = {"steps": [2000, 5000], "warm_up": 0}
    number = rollouts.start(route="shop", upstream=CANARY, plan=plan, by=BY, now=timezone.now())
    world.wait_acked(selectors.generation("edge"))
    moved = canaries(world, visitors)
    assert 2 <= len(moved) <= 30
    rollouts.rollback(rollout_id=number, by=BY, reason="enough", now=timezone.now())
    world.wait_acked(selectors.generation("edge"))
    assert canaries(world, visitors) == set()

    def ended() -> bool:
        rollouts.tick(metrics=InMemoryMetrics(), admin=EnvoyAdmin(), now=timezone.now())
        return rollout(number).row.state == "rolled_back"

    wait_until(ended, timeout=10, what="the rollback read back from both proxies")


def test_a_claim_chooses_an_arm_also_a_nested_one_and_one_that_is_a_list(world: World, secrets: Path) -> None:
    issuer = Issuer()
    (secrets / "idp.json").write_text(issuer.jwks)
    idp = {"name": "idp", "issuer": "https://idp.test", "audiences": ["shop"], "jwks": {"file": "idp.json"}}
    claims: list[dict[str, Any]] = [
        {"claim": "plan", "exact": "gold"},
        {"claim": ["org", "roles"], "prefix": "test"},
        {"claim": "beta", "bool_match": True},
    ]
    arms = [{"upstream": CANARY, "match": {"claims": [{"provider": "idp", **claim}]}} for claim in claims]
    route = shop(0, arms=arms, access={"jwt": "idp"})
    world.wait_acked(world.apply({"routes": [route], "objectives": [], "jwt_providers": [idp]}))
    # A connection that is older than the filter would never meet it.
    world.get("shop.test", headers={"connection": "close"})

    def gets(**claims: Any) -> str:
        return arm(world.get("shop.test", headers=issuer.bearer(**claims)))

    assert [gets(plan="gold"), gets(org={"roles": ["a", "tester"]}), gets(beta=True)] == [CANARY] * 3
    assert [gets(), gets(plan="free"), gets(org={"roles": ["a"]}), gets(beta=False)] == [STABLE] * 4
    assert world.get("shop.test", headers=Issuer().bearer(plan="gold")).status_code == 401
