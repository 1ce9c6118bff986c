"""One suite for the proxy port: the in-memory proxy, and a real Envoy asked in plaintext and over mutual TLS."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from django.utils import timezone

from proxy import identities, selectors, services
from proxy.domain import restarting
from proxy.domain.errors import ProxyUnreachable
from proxy.domain.identity import admin_host
from proxy.envoy_admin import EnvoyAdmin
from proxy.memory import InMemoryAdmin
from proxy.ports import ProxyAdmin
from tests.proxy.factories import tier as sample
from tests.proxy.world import World
from tests.support.processes import free_port

KEY = "split.shop.shop-v2"


@dataclass
class Case:
    """A port to a proxy that runs the sample tier, and a way to set a runtime key by hand."""

    admin: ProxyAdmin
    address: str
    override: "Override"
    gone: str = "127.0.0.1:1"


class Override:
    def __call__(self, value: str) -> None:
        raise NotImplementedError


@dataclass
class ByRequest(Override):
    address: str

    def __call__(self, value: str) -> None:
        requests.post(f"http://{self.address}/runtime_modify", params={KEY: value}, timeout=5)


@dataclass
class InMemory(Override):
    admin: InMemoryAdmin

    def __call__(self, value: str) -> None:
        self.admin.runs(
            "memory:1",
            {"shop": {"shop-v1": 10000, "shop-v2": int(value or 0)}},
            {KEY: value} if value else {},
        )


REAL = [pytest.param(how, marks=pytest.mark.real) for how in ("envoy", "envoy over mutual TLS")]


@pytest.fixture(params=["memory", *REAL])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "memory":
        memory = InMemoryAdmin()
        memory.runs("memory:1", {"shop": {"shop-v1": 10000, "shop-v2": 0}})
        yield Case(memory, "memory:1", InMemory(memory))
        return
    world: World = request.getfixturevalue("world")
    override = ByRequest(world.admin())
    if request.param == "envoy":
        yield Case(EnvoyAdmin(), world.admin(), override)
    else:
        yield _over_tls(world, override)
    override("")


def _over_tls(world: World, override: ByRequest) -> Case:
    proxies: list[dict[str, Any]] = world.declared()["tiers"][0]["proxies"]
    proxies[0]["admin_tls_port"] = port = free_port()
    world.wait_acked(world.apply({"proxies": proxies}))
    name = admin_host("edge", "edge-1")
    admin = EnvoyAdmin(site=world.var / "pki" / identities.SITE)
    return Case(admin, f"{name}@127.0.0.1:{port}", override, f"{name}@127.0.0.1:1")


def test_the_weights_of_a_route_are_those_that_requests_meet(case: Case) -> None:
    assert case.admin.weights(case.address, "shop") == {"shop-v1": 10000, "shop-v2": 0}
    assert case.admin.splits(case.address)["shop"] == {"shop-v1": 10000, "shop-v2": 0}


def test_a_route_that_is_not_there_has_no_weights(case: Case) -> None:
    assert case.admin.weights(case.address, "nope") is None


def test_a_route_without_arms_by_attribute_and_copies_has_nothing_beside_its_weights(case: Case) -> None:
    assert case.admin.chosen(case.address, "shop") == case.admin.chosen(case.address, "gone") == frozenset()
    with pytest.raises(ProxyUnreachable):
        case.admin.chosen(case.gone, "shop")


def test_a_key_that_was_set_by_hand_shows_as_an_override_and_in_the_weights(case: Case) -> None:
    assert case.admin.overrides(case.address) == {}
    case.override("700")
    assert case.admin.overrides(case.address) == {KEY: "700"}
    assert case.admin.splits(case.address)["shop"]["shop-v2"] == 700


def test_the_whole_configuration_can_be_had(case: Case) -> None:
    assert case.admin.config_dump(case.address)["configs"]


def test_what_a_proxy_was_started_with_is_what_its_tier_declares(case: Case) -> None:
    assert restarting.needed(sample(), case.admin.started_with(case.address)) == ()


def test_a_proxy_that_does_not_answer_is_an_error_of_its_own(case: Case) -> None:
    with pytest.raises(ProxyUnreachable):
        case.admin.weights(case.gone, "shop")


@pytest.mark.real
def test_an_override_is_recorded_as_drift_and_goes_with_it(world: World) -> None:
    override = ByRequest(world.admin())
    override("700")
    services.readback(admin=EnvoyAdmin(), now=timezone.now())
    drifted, calm = selectors.tier("edge").proxies
    assert calm.drift == ()
    assert drifted.drift == (
        f"{KEY} = 700 is set by hand in the admin layer",
        "route shop runs shop-v1 100 %, shop-v2 7 %, not shop-v1 100 %, shop-v2 0 %",
    )
    override("")
    services.readback(admin=EnvoyAdmin(), now=timezone.now())
    assert selectors.tier("edge").proxies[0].drift == ()
