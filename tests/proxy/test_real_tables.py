"""A long route table is a tree in a real Envoy, and gives what the list would give."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone

from proxy import selectors, services
from proxy.domain.tier import Route
from proxy.domain.translate import kinds, routes, tables
from proxy.envoy_admin import EnvoyAdmin
from tests.proxy.factories import tier
from tests.proxy.world import World
from tests.support.envoy import command
from tests.support.processes import free_port, listening, started, wait_until

pytestmark = pytest.mark.real

WORDS = ("a", "b", "ab", "abc", "b.c")
FORMS = {"list.test": tables.as_list, "tree.test": tables.as_tree}


ALONE = Route.model_validate(
    {
        "name": "alone",
        "hosts": ["any.test"],
        "match": {"safe_regex": "/z+"},
        "direct_response": {"status": 200, "body": "alone"},
    }
)
"""Whose paths begin like none of the others'."""


def random_path(chance: random.Random, most: int = 3) -> str:
    return "".join(f"/{chance.choice(WORDS)}" for _ in range(chance.randint(1, most)))


def random_match(chance: random.Random) -> dict[str, Any]:
    path = random_path(chance)
    kind = chance.choice(["prefix"] * 8 + ["path"] * 6 + ["below"] * 4 + ["path_template", "safe_regex"])
    given = {
        "prefix": {"prefix": path},
        "path": {"path": path},
        "below": {"prefix": f"{path}/"},
        "path_template": {"path_template": f"{path}/{{id}}"},
        "safe_regex": {"safe_regex": f"{path}x+"},
    }[kind]
    header = {"headers": [{"name": "x-v", "exact": chance.choice("12")}]}
    methods = {"methods": [chance.choice(["GET", "POST"])]}
    return {**given, **chance.choice([{}, {}, header, methods])}


def random_routes(chance: random.Random, count: int) -> list[Route]:
    """Each answers with its own name."""
    return [
        Route.model_validate(
            {
                "name": f"r{number}",
                "hosts": ["any.test"],
                "match": random_match(chance),
                "direct_response": {"status": 200, "body": f"r{number}"},
            }
        )
        for number in range(count)
    ]


def envoy_of(virtual_hosts: list[dict[str, Any]], port: int) -> dict[str, Any]:
    """A configuration of nothing but a route table."""
    router = kinds.extension("envoy.filters.http.router", "filters.http.router.v3.Router")
    manager = kinds.extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="test",
        http_filters=[router],
        route_config={"virtual_hosts": virtual_hosts},
    )
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    listener = {"address": address, "filter_chains": [{"filters": [manager]}]}
    return {"static_resources": {"listeners": [listener]}}


@pytest.fixture(scope="module", params=[1, 2])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real Envoy that holds the same random routes as a list and as a tree."""
    drawn = [*random_routes(random.Random(request.param), 120), ALONE]
    made = routes.made(routes.shared(tier()), drawn)
    hosts = [{"name": host, "domains": [host], **form(made)} for host, form in FORMS.items()]
    number = free_port()
    folder: Path = tmp_path_factory.mktemp("table")
    (folder / "envoy.json").write_text(json.dumps(envoy_of(hosts, number)))
    argv = command(folder / "envoy.json")
    ready = started(argv, log=folder / "log", ready=lambda: listening(number))
    with ready:
        yield number


def test_a_tree_gives_what_the_list_gives(port: int) -> None:
    chance = random.Random(3)
    session = requests.Session()

    def ask(host: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        given = {"Host": host, **headers}
        answer = session.request(method, f"http://127.0.0.1:{port}{path}", headers=given, timeout=5)
        return answer.status_code, answer.text

    asked = [
        (
            chance.choice(["GET", "POST"]),
            random_path(chance, 4) + chance.choice(["", "", "/", "x", "xx", "/7", "?v=/a", "/?a=b", ";y"]),
            chance.choice([{}, {"x-v": "1"}, {"x-v": "2"}]),
        )
        for _ in range(400)
    ]
    asked.append(("GET", "/zzz", {}))
    by_list = [ask("list.test", *each) for each in asked]
    by_tree = [ask("tree.test", *each) for each in asked]
    assert by_tree == by_list
    assert len(set(by_list)) > 40
    assert by_tree[-1] == (200, "alone")


def test_a_long_table_is_served_as_a_tree_and_read_back_and_obeys_an_overlay(world: World) -> None:
    many = [
        {"name": f"r{number}", "hosts": ["shop.test"], "prefix": f"/r{number}", "upstream": "admin"}
        for number in range(tables.LONGEST_LIST)
    ]
    split = {"name": "shop", "hosts": ["shop.test"], "split": {"shop-v1": 10000, "shop-v2": 0}}
    world.wait_acked(world.apply({"routes": [*many, split], "objectives": []}))
    dump = requests.get(f"http://{world.admin()}/config_dump?resource=dynamic_route_configs", timeout=5).text
    assert '"matcher_tree"' in dump
    assert world.get("shop.test", "/r7/x").headers["x-lab-backend"] == "admin-a"
    assert world.get("shop.test", "/r7x").headers["x-lab-backend"].startswith("shop-v1")
    patch = {"kind": "weights", "route": "shop", "weights": {"shop-v1": 0, "shop-v2": 10000}}
    _, generation = world.put(patch, "route/shop/weights")
    world.wait_acked(generation)
    assert world.arms(5) == {"shop-v2": 5}
    cost = "envoy_http_downstream_rq_route_resolution_time_us_count"
    wait_until(lambda: world.metric(cost) > 0, timeout=5, what="the time that routing took")
    admin = EnvoyAdmin()
    assert admin.weights(world.admin(), "shop") == {"shop-v1": 0, "shop-v2": 10000}
    assert admin.weights(world.admin(), "r7") == {"admin": 10000}
    services.readback(admin=admin, now=timezone.now())
    assert [proxy.drift for proxy in selectors.tier("edge").proxies] == [(), ()]
