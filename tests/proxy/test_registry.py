"""What a registry may push, by the API: what is refused, and what is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from access.domain.roles import Role
from audit.domain.actor import Actor
from proxy import selectors, services
from proxy.domain.errors import Invalid
from proxy.domain.patches import apply_patches
from proxy.domain.registry import endpoints, with_registered
from proxy.domain.tier import Tier
from proxy.memory import InMemoryAdmin
from tests.proxy.factories import declaration, document, tier
from tests.proxy.test_commands import run
from tests.support.people import bearer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BY = Actor("ann", "cli")
ONE = {"address": "10.0.0.1", "port": 80}


def upstreams() -> list[dict[str, Any]]:
    first, *others = declaration()["upstreams"]
    return [{"name": first["name"], "discovery": "registry"}, *others]


def problems(*pushed: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        endpoints(pushed)
    return refused.value.errors


def test_every_mistake_is_told_with_its_place() -> None:
    assert problems({"address": "10.0.0.1"})[0][0] == "endpoints[0].port"
    assert problems({**ONE, "wieght": 3})[0][0] == "endpoints[0].wieght"
    assert problems({"address": "db.internal", "port": 80})[0][1] == "must be an IP address"
    assert problems(ONE, ONE) == [("endpoints[1]", "stands twice")]
    six = [{"address": spelt, "port": 80} for spelt in ("fd00::1", "fd00:0:0:0:0:0:0:1")]
    assert problems(*six) == [("endpoints[1]", "stands twice")]
    named = [{"address": f"10.0.0.{n}", "port": 80, "name": "a"} for n in (1, 2)]
    assert problems(*named) == [("endpoints[1].name", "the name a stands twice")]
    assert problems({"address": "0.0.0.0", "port": 80})[0][0] == "endpoints[0].address"  # noqa: S104  # pushed by mistake
    assert problems(7)[0][0] == "endpoints[0]"
    assert "would take the service off" in problems()[0][1]
    both = problems({"address": "db.internal", "port": 80}, ONE, {**ONE, "port": 0}, ONE)
    assert [path for path, _ in both] == ["endpoints[0].address", "endpoints[2].port", "endpoints[3]"]
    assert both[1][1] == "must be greater than or equal to 1 (given: 0)"


def test_the_order_of_a_push_does_not_matter() -> None:
    other = {"address": "10.0.0.2", "port": 80, "zone": "a", "weight": 3}
    assert endpoints([ONE, other]) == endpoints([other, ONE])


def test_an_upstream_that_declares_its_endpoints_keeps_them() -> None:
    given = tier()
    assert with_registered(given, {"shop-v1": endpoints([ONE])}).upstreams == given.upstreams


def test_a_drain_never_takes_the_last_endpoint_though_the_registry_took_the_others() -> None:
    given = with_registered(tier(upstreams=upstreams()), {"shop-v1": endpoints([ONE])})
    drained = apply_patches(given, [{"kind": "drain", "upstream": "shop-v1", "endpoints": ["10.0.0.1:80"]}])
    assert drained.upstreams == given.upstreams


def test_an_upstream_needs_endpoints_or_a_registry() -> None:
    with pytest.raises(ValueError, match="discovery: registry"):
        Tier.model_validate(declaration(upstreams=[{"name": "shop-v1"}]))


@pytest.mark.django_db
def test_the_api_takes_endpoints_and_tells_them(client: Client) -> None:
    services.apply(document=document(upstreams=upstreams()), by=BY, reason="", now=NOW)
    header = bearer(Role.OPERATOR)

    def put(name: str, body: dict[str, Any]) -> Any:
        path = f"/api/v1/upstreams/{name}/endpoints"
        return client.put(path, body, content_type="application/json", headers=header)

    answer = put("shop-v1", {"endpoints": [{**ONE, "zone": "a"}]}).json()
    assert answer["generation"] == selectors.generation("edge") == 2
    assert put("shop-v1", {"endpoints": [{**ONE, "zone": "a"}]}).json()["generation"] == 2
    empty = put("shop-v1", {"endpoints": []})
    assert (empty.status_code, empty.json()["errors"][0]["field"]) == (422, "endpoints")
    assert put("shop-v2", {"endpoints": [ONE]}).status_code == 422
    assert put("nobody", {"endpoints": [ONE]}).status_code == 404
    first = client.get("/api/v1/upstreams?tier=edge", headers=header).json()
    shop = next(each for each in first if each["name"] == "shop-v1")
    assert shop["endpoints"] == [
        {
            "label": "10.0.0.1:80",
            "address": "10.0.0.1",
            "port": 80,
            "weight": 1,
            "zone": "a",
            "drained": False,
        }
    ]
    assert (shop["discovery"], shop["pushed_by"]) == ("registry", "operator")


@pytest.mark.django_db
def test_what_is_pushed_is_no_part_of_the_declaration() -> None:
    services.apply(document=document(upstreams=upstreams()), by=BY, reason="", now=NOW)
    services.register(tier="edge", upstream="shop-v1", endpoints=[ONE], by=BY, now=NOW)
    exported = run("export", "edge")
    assert "10.0.0.1" not in exported
    assert (
        services.apply(document=document(upstreams=upstreams()), by=BY, reason="", now=NOW).revision is None
    )
    served = selectors.served("edge", now=NOW).live.upstream("shop-v1")
    assert served is not None
    assert [each.address for each in served.endpoints] == ["10.0.0.1"]


@pytest.mark.django_db
def test_the_command_and_the_api_drain_and_undo(client: Client) -> None:
    services.apply(document=document(), by=BY, reason="", now=NOW)
    header = bearer(Role.OPERATOR)
    path = "/api/v1/upstreams/shop-v1/endpoints/127.0.0.1:11001"
    json: dict[str, Any] = {"content_type": "application/json", "headers": header}
    assert client.post(f"{path}/drain", {"reason": "disk", "minutes": 5}, **json).status_code == 200
    drained = client.get("/api/v1/upstreams", headers=header).json()
    shop = next(each for each in drained if each["name"] == "shop-v1")
    assert [each["drained"] for each in shop["endpoints"]] == [True, False]
    with pytest.raises(CommandError, match="no endpoint left"):
        call_command("drain", "shop-v1/127.0.0.1:11002", reason="both")
    run("drain", "shop-v1/127.0.0.1:11001", "--undo", "--reason", "new disk")
    assert selectors.live_overlays("edge", now=NOW) == []
    nobody = "/api/v1/tiers/edge/proxies/nobody/drain"
    assert client.post(nobody, {"reason": "disk"}, **json).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["upstreams/shop-v1/endpoints/127.0.0.1:11001", "tiers/edge/proxies/edge-1"])
@pytest.mark.parametrize("act", ["drain", "undrain"])
@pytest.mark.parametrize("given", [{}, {"reason": ""}, {"reason": " "}])
def test_nobody_drains_without_a_reason(client: Client, what: str, act: str, given: dict[str, str]) -> None:
    services.apply(document=document(), by=BY, reason="", now=NOW)
    answer = client.post(
        f"/api/v1/{what}/{act}", given, content_type="application/json", headers=bearer(Role.OPERATOR)
    )
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["reason"]
    assert selectors.live_overlays("edge", now=NOW) == []


@pytest.mark.django_db
def test_the_command_drains_for_a_reason_only() -> None:
    services.apply(document=document(), by=BY, reason="", now=NOW)
    with pytest.raises(CommandError, match="--reason: must not be empty"):
        call_command("drain", "edge-1", "--reason", " ")


@pytest.mark.django_db
def test_a_drain_of_what_is_not_there_names_it(client: Client) -> None:
    services.apply(document=document(), by=BY, reason="test", now=NOW)
    asked = "/api/v1/tiers/edge/proxies/edge-9/drain"
    answer = client.post(
        asked, {"reason": "x"}, content_type="application/json", headers=bearer(Role.OPERATOR)
    )
    assert (answer.status_code, answer.json()["detail"]) == (404, "tier edge has no proxy edge-9")
    with pytest.raises(CommandError, match="--minutes: 0 is not a number of minutes from 1 to 10080"):
        call_command("drain", "edge-1", "--minutes", "0", "--reason", "x")


class Asked(InMemoryAdmin):
    """Remembers whom it asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def draining(self, address: str) -> bool:
        self.asked.append(address)
        return super().draining(address)


@pytest.mark.django_db
def test_who_drains_one_proxy_waits_for_no_other() -> None:
    services.apply(document=document(), by=BY, reason="test", now=NOW)
    one, both = Asked(), Asked()
    services.settle_drains(admin=one, now=NOW, only="edge-2")
    services.settle_drains(admin=both, now=NOW)
    assert (one.asked, both.asked) == (["127.0.0.1:19002"], ["127.0.0.1:19001", "127.0.0.1:19002"])
