"""Endpoints under real Envoys: pushed by a registry, asked for their health, and drained."""

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from audit import selectors as audit
from proxy import models, selectors, services
from proxy.domain.errors import Invalid
from proxy.envoy_admin import EnvoyAdmin
from tests.proxy.world import BY, World, at
from tests.support.processes import free_port, listening, wait_until

pytestmark = pytest.mark.real
A, B, C = "SHOP_V1_A", "SHOP_V1_B", "SHOP_V2_A"


def with_shop(world: World, **fields: Any) -> int:
    """shop-v1 with these fields, and the route all on it; returns the generation when both have it."""
    upstreams = world.declared()["tiers"][0]["upstreams"]
    changed = [{**one, **fields} if one["name"] == "shop-v1" else one for one in upstreams]
    generation = world.apply({"upstreams": changed})
    world.wait_acked(generation)
    return generation


def end(world: World, backend: str, **fields: Any) -> dict[str, Any]:
    return {"name": backend.lower().replace("_", "-"), "port": world.ports[f"LAB_{backend}_PORT"], **fields}


def push(world: World, *backends: str, force: bool = False) -> int:
    generation = services.register(
        tier="edge",
        upstream="shop-v1",
        endpoints=[end(world, backend) for backend in backends],
        by=BY,
        now=timezone.now(),
        force=force,
    )
    world.wait_acked(generation)
    return generation


def answered_by(world: World, count: int = 30) -> set[str]:
    return {world.get("shop.test").headers["x-lab-backend"] for _ in range(count)}


def stat(world: World, name: str) -> int:
    text = requests.get(f"http://{world.admin()}/stats?filter=^{name}$", timeout=5).text
    return int(text.rpartition(": ")[2])


def test_pushed_endpoints_are_asked_and_nothing_else_is_pushed(world: World) -> None:
    with_shop(world, discovery="registry", endpoints=[end(world, A)])
    assert answered_by(world) == {"shop-v1-a"}
    revision = selectors.tier("edge").revision
    quiet = (
        "cluster_manager.cds.update_success",
        "listener_manager.lds.update_success",
        "cluster_manager.cluster_modified",
    )
    before = {name: stat(world, name) for name in quiet}
    push(world, B, C)
    assert answered_by(world) == {"shop-v1-b", "shop-v2-a"}
    assert {name: stat(world, name) for name in quiet} == before
    assert selectors.tier("edge").revision == revision


def test_a_registry_s_silence_and_a_declaration_leave_what_it_pushed(world: World) -> None:
    with_shop(world, discovery="registry", endpoints=[])
    push(world, B)
    with_shop(world, discovery="registry", endpoints=[], connect_timeout="1s")
    assert answered_by(world) == {"shop-v1-b"}
    with pytest.raises(Invalid, match="would take the service off"):
        push(world)
    assert answered_by(world) == {"shop-v1-b"}
    push(world, force=True)
    assert world.get("shop.test").status_code == 503


def test_a_drained_endpoint_gets_nothing_until_its_time_is_up(world: World) -> None:
    with_shop(world)
    said: dict[str, Any] = {
        "tier": "edge",
        "upstream": "shop-v1",
        "by": BY,
        "reason": "maintenance",
        "now": timezone.now(),
    }
    generation = services.drain_endpoint(**said, endpoint="shop-v1-a", until=at(3))
    world.wait_acked(generation)
    assert answered_by(world) == {"shop-v1-b"}
    with pytest.raises(Invalid, match="no endpoint left"):
        services.drain_endpoint(**said, endpoint="shop-v1-b", until=at(3))
    wait_until(lambda: len(answered_by(world, 10)) == 2, timeout=8, what="drained no more")


def test_a_drain_that_is_undone_is_over_at_once(world: World) -> None:
    with_shop(world)
    said: dict[str, Any] = {
        "tier": "edge",
        "upstream": "shop-v1",
        "endpoint": "shop-v1-a",
        "by": BY,
        "reason": "maintenance",
    }
    world.wait_acked(services.drain_endpoint(**said, until=at(600), now=timezone.now()))
    assert answered_by(world) == {"shop-v1-b"}
    world.wait_acked(services.undrain_endpoint(**said, now=timezone.now()))
    assert answered_by(world) == {"shop-v1-a", "shop-v1-b"}


def test_an_endpoint_that_fails_its_health_check_gets_nothing(world: World) -> None:
    world.fault("shop-v1-a", error_rate=1.0)
    check = {"path": "/", "interval": "0.2s", "timeout": "0.2s", "no_traffic_interval": "0.2s"}
    with_shop(world, health_check={**check, "unhealthy_threshold": 1}, outlier_detection={"enabled": False})
    wait_until(
        lambda: stat(world, "cluster.shop-v1.membership_healthy") == 1, timeout=5, what="one is unhealthy"
    )
    assert answered_by(world) == {"shop-v1-b"}
    world.fault("shop-v1-a")
    wait_until(lambda: len(answered_by(world, 10)) == 2, timeout=5, what="well again")


def test_below_the_panic_threshold_health_is_ignored(world: World) -> None:
    world.fault("shop-v1-a", error_rate=1.0)
    check = {"path": "/", "interval": "0.2s", "timeout": "0.2s", "no_traffic_interval": "0.2s"}
    with_shop(
        world,
        health_check={**check, "unhealthy_threshold": 1},
        healthy_panic_threshold=60,
        outlier_detection={"enabled": False},
    )
    wait_until(
        lambda: stat(world, "cluster.shop-v1.membership_healthy") == 1, timeout=5, what="one is unhealthy"
    )
    assert answered_by(world) == {"shop-v1-a", "shop-v1-b"}


def test_a_balancer_is_told_to_leave_a_drained_proxy(world: World) -> None:
    port, admin = free_port(), EnvoyAdmin()
    first, second = world.declared()["tiers"][0]["proxies"]
    world.wait_acked(world.apply({"proxies": [{**first, "health_port": port}, second]}))
    wait_until(lambda: listening(port), timeout=5, what="the health port")

    def health(path: str = "/ready") -> int:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).status_code

    assert (health(), health("/another")) == (200, 404)
    said: dict[str, Any] = {"tier": "edge", "proxy": "edge-1", "by": BY, "reason": "upgrade"}
    services.drain_proxy(**said, until=at(600), now=timezone.now())
    services.settle_drains(admin=admin, now=timezone.now())
    assert health() == 503
    services.undrain_proxy(**said, now=timezone.now())
    services.settle_drains(admin=admin, now=timezone.now())
    assert health() == 200


def test_a_drained_proxy_fails_its_health_and_closes_connections_gently(world: World) -> None:
    admin = EnvoyAdmin()
    said: dict[str, Any] = {"tier": "edge", "proxy": "edge-1", "by": BY, "reason": "upgrade"}
    ready = f"http://{world.admin()}/ready"
    services.drain_proxy(**said, until=at(600), now=timezone.now())
    services.settle_drains(admin=admin, now=timezone.now())
    assert requests.get(ready, timeout=5).status_code == 503
    answer = world.get("shop.test")
    assert (answer.status_code, answer.headers.get("connection")) == (200, "close")
    assert world.get("shop.test", proxy="EDGE_2").headers.get("connection") != "close"
    services.undrain_proxy(**said, now=timezone.now())
    services.settle_drains(admin=admin, now=timezone.now())
    assert requests.get(ready, timeout=5).status_code == 200
    assert world.get("shop.test").headers.get("connection") != "close"


def test_a_drain_of_a_proxy_ends_by_itself(world: World) -> None:
    admin, now = EnvoyAdmin(), timezone.now()
    services.drain_proxy(tier="edge", proxy="edge-1", until=at(30), by=BY, reason="upgrade", now=now)
    services.settle_drains(admin=admin, now=now)
    assert admin.draining(world.admin())
    services.settle_drains(admin=admin, now=now + timedelta(seconds=31))
    assert not admin.draining(world.admin())


def test_the_audit_tells_a_minute_s_changes_in_one_row(world: World) -> None:
    with_shop(world, discovery="registry", endpoints=[])
    models.Registration.objects.all().delete()
    now = timezone.now()

    def push_at(seconds: int, *backends: str) -> None:
        services.register(
            tier="edge",
            upstream="shop-v1",
            endpoints=[end(world, backend) for backend in backends],
            by=BY,
            now=now + timedelta(seconds=seconds),
        )

    def told() -> list[Any]:
        rows = audit.entries(target="edge/upstream/shop-v1/endpoints", limit=50)
        return [row.detail for row in rows if row.action == "endpoints.registered" and row.at >= now]

    push_at(0, A)
    push_at(1, A, B)
    push_at(2, B)
    push_at(3, B, C)
    assert [row["came"] for row in told()] == [["shop-v1-a"]]
    services.audit_registrations(now=now + timedelta(seconds=61))
    newest = told()[0]
    assert (newest["came"], newest["went"]) == (["shop-v1-b", "shop-v2-a"], ["shop-v1-a"])
    assert len(told()) == 2
