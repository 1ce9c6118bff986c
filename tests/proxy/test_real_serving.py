"""Pushing to real Envoys: what is declared is obeyed, what is wrong is refused, what ran out is gone."""

import time
from datetime import timedelta

import pytest
import requests
from django.utils import timezone

from proxy import models, selectors, services
from proxy.domain.errors import StaleFence
from tests.proxy.factories import weights
from tests.proxy.world import BY, World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real
SHOP = "route/shop/weights"


def test_the_declared_tier_is_served_by_both_proxies(world: World) -> None:
    assert world.arms(10) == {"shop-v1": 10}
    assert world.arms(10, proxy="EDGE_2") == {"shop-v1": 10}
    assert world.get("admin.test:1234").headers["x-lab-backend"] == "admin-a"
    assert world.get("nobody.test").status_code == 404


def test_a_pushed_weight_is_obeyed_within_a_second(world: World) -> None:
    begin = time.monotonic()
    _, generation = world.put(weights(10000), SHOP)
    world.wait_acked(generation)
    assert world.arms(20) == world.arms(20, proxy="EDGE_2") == {"shop-v2": 20}
    assert time.monotonic() - begin < 2


def test_an_overlay_expires_with_nothing_alive_but_the_ads_server(world: World) -> None:
    _, generation = world.put(weights(10000), SHOP, lasts=timedelta(seconds=1.5))
    world.wait_acked(generation)
    assert world.arms(5) == {"shop-v2": 5}
    wait_until(lambda: world.arms(1) == {"shop-v1": 1}, timeout=5, what="back at the base")
    assert world.arms(20) == {"shop-v1": 20}
    wait_until(lambda: not models.Overlay.objects.exists(), timeout=5, what="expiry recorded")
    world.wait_acked(selectors.generation("edge"))


def test_a_renewed_overlay_outlives_its_first_expiry(world: World) -> None:
    fence, generation = world.put(weights(10000), SHOP, lasts=timedelta(seconds=1.5))
    world.wait_acked(generation)
    later = timezone.now() + timedelta(seconds=60)
    services.renew_overlay(
        tier="edge", target=SHOP, owner="test", fence=fence, expires_at=later, now=timezone.now()
    )
    first = selectors.live_overlays("edge", now=timezone.now())[0].created_at + timedelta(seconds=2)
    wait_until(lambda: timezone.now() > first, timeout=5, what="past the first expiry")
    assert world.arms(5) == {"shop-v2": 5}


def test_a_stalled_writer_cannot_bring_a_deleted_overlay_back(world: World) -> None:
    fence, _ = world.put(weights(10000), SHOP)
    gone = services.delete_overlay(
        tier="edge", target=SHOP, owner="test", fence=fence, by=BY, reason="", now=timezone.now()
    )
    with pytest.raises(StaleFence):
        services.put_overlay(
            tier="edge",
            target=SHOP,
            owner="test",
            patch=weights(10000),
            fence=fence,
            expires_at=timezone.now() + timedelta(minutes=1),
            by=BY,
            reason="late",
            now=timezone.now(),
        )
    world.wait_acked(gone)
    assert world.arms(10) == {"shop-v1": 10}


def test_what_a_proxy_refuses_is_recorded_and_it_keeps_what_it_had(world: World) -> None:
    """A port that another process holds passes every check here: only the proxy itself can refuse it."""
    first, second = world.declared()["tiers"][0]["proxies"]
    generation = world.apply({"proxies": [{**first, "https_port": world.ports["LAB_CONTROL_PORT"]}, second]})
    reason = wait_until(
        lambda: selectors.progress("edge", generation).nacks.get("edge-1"), timeout=10, what="the refusal"
    )
    assert reason is not None
    assert "edge-https" in reason
    assert world.arms(5) == {"shop-v1": 5}
    world.wait_acked(world.apply())
    assert not selectors.tier("edge").proxies[0].refuses


def test_a_cluster_that_comes_and_one_that_goes_lose_no_request(world: World) -> None:
    declared = world.declared()["tiers"][0]
    moved = [dict(route) for route in declared["routes"]]
    upstreams = [dict(upstream) for upstream in declared["upstreams"]]
    upstreams.append({"name": "shop-v3", "endpoints": upstreams[1]["endpoints"]})
    upstreams = [upstream for upstream in upstreams if upstream["name"] != "shop-v2"]
    moved[0] = {"name": "shop", "hosts": ["shop.test"], "split": {"shop-v3": 10000}}
    generation = world.apply({"upstreams": upstreams, "routes": moved})
    codes = {world.get("shop.test").status_code for _ in range(200)}
    world.wait_acked(generation)
    assert codes == {200}
    assert world.get("shop.test").headers["x-lab-backend"] == "shop-v2-a"
    names = requests.get(f"http://{world.admin()}/clusters?format=json", timeout=5).json()
    assert "shop-v2" not in {status["name"] for status in names["cluster_statuses"]}


def test_the_proxies_go_on_without_the_ads_server_and_the_admin_layer_rolls_back(world: World) -> None:
    url = f"http://{world.admin()}/runtime_modify"
    by_hand = {"split.shop.shop-v1": "0", "split.shop.shop-v2": "10000"}
    try:
        assert requests.post(url, params=by_hand, timeout=5).status_code == 200
        assert world.arms(10) == {"shop-v2": 10}
    finally:
        requests.post(url, params=dict.fromkeys(by_hand, ""), timeout=5)
    assert world.arms(10) == {"shop-v1": 10}


def test_a_new_ads_server_is_found_and_obeyed_and_repeats_nothing(world: World) -> None:
    def updates() -> float:
        return world.metric("envoy_cluster_manager_cds_update_success")

    before = updates()
    with world.without_xds():
        assert not any(proxy.connected for proxy in selectors.tier("edge").proxies)
        assert world.arms(10) == {"shop-v1": 10}
    _, generation = world.put(weights(10000), SHOP)
    world.wait_acked(generation)
    assert world.arms(10) == {"shop-v2": 10}
    assert updates() == before


def test_a_second_ads_server_on_the_port_says_so_in_one_line(world: World) -> None:
    with world.manage("xds", log="second.log") as second:
        assert second.wait(20) == 1
    assert (
        (world.var / "second.log")
        .read_text()
        .strip()
        .splitlines()[-1]
        .startswith("CommandError: cannot listen")
    )
