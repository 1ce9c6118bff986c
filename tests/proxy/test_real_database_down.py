"""With the real PostgreSQL stopped: the proxies go on, new ones are served, and what runs out is gone."""

import stat
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.proxy.factories import weights
from tests.proxy.world import World, database, running
from tests.support.postgresql import Server, postgresql_server
from tests.support.processes import listening, wait_until

pytestmark = pytest.mark.real
SHOP = "route/shop/weights"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="module")
def started_world(
    server: Server, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    var = tmp_path_factory.mktemp("database-down")
    with django_db_blocker.unblock(), running(var, server.url, ads_servers=2) as world:
        world.stop_ads(world.ads_ports[1])
        yield world


@pytest.fixture
def world(started_world: World, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), database(started_world):
        started_world.calm()
        yield started_world


@pytest.fixture
def down(world: World, server: Server) -> Iterator[Server]:
    """A server to stop: the test's own connection would be cut with the others."""
    yield server
    back(server)


def back(server: Server) -> None:
    """The server again, and a fresh connection of the test's own."""
    connection.close()
    if not listening(server.port):
        server.start()


def kept(world: World, generation: int) -> bool:
    file = world.var / "ads" / "edge.json"
    return f'"generation": {generation},' in file.read_text()


def test_an_overlay_ends_on_time_and_a_new_proxy_is_served(world: World, down: Server) -> None:
    _, generation = world.put(weights(10000), SHOP, lasts=timedelta(seconds=6))
    ends = time.monotonic() + 6
    world.wait_acked(generation)
    down.stop()
    world.stop_envoy("edge-2")
    world.start_envoy("edge-2")
    assert world.arms(5) == world.arms(5, proxy="EDGE_2") == {"shop-v2": 5}
    wait_until(lambda: world.arms(1) == {"shop-v1": 1}, timeout=10, what="edge-1 back at the base")
    late = time.monotonic() - ends
    wait_until(lambda: world.arms(1, proxy="EDGE_2") == {"shop-v1": 1}, timeout=1, what="edge-2 too")
    assert late < 1.5


def test_a_server_that_starts_meanwhile_serves_the_last_good_configuration(
    world: World, down: Server
) -> None:
    _, generation = world.put(weights(10000), SHOP)
    world.wait_acked(generation)
    wait_until(lambda: kept(world, generation), timeout=5, what="kept on disk")
    down.stop()
    world.stop_xds()
    world.stop_envoy("edge-2")
    world.start_ads(world.ads_ports[0])
    world.start_envoy("edge-2")
    assert world.arms(5) == world.arms(5, proxy="EDGE_2") == {"shop-v2": 5}
    back(down)
    _, generation = world.put(weights(0), SHOP)
    world.wait_acked(generation)


def test_what_ran_out_while_no_server_was_there_is_taken_back_by_one_that_starts_without_the_database(
    world: World, down: Server
) -> None:
    _, generation = world.put(weights(10000), SHOP, lasts=timedelta(seconds=4))
    world.wait_acked(generation)
    ends = time.monotonic() + 4
    wait_until(lambda: kept(world, generation), timeout=3, what="kept on disk")
    world.kill_ads(world.ads_ports[0])
    down.stop()
    wait_until(lambda: time.monotonic() > ends, timeout=5, what="its end")
    assert world.arms(5) == {"shop-v2": 5}
    world.start_ads(world.ads_ports[0])
    wait_until(lambda: world.arms(1) == {"shop-v1": 1}, timeout=10, what="edge-1 at the base")
    wait_until(lambda: world.arms(1, proxy="EDGE_2") == {"shop-v1": 1}, timeout=10, what="edge-2 too")


def test_what_is_kept_holds_no_secret_and_is_for_its_owner_only(world: World) -> None:
    file = world.var / "ads" / "edge.json"
    wait_until(file.is_file, timeout=5, what="kept on disk")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in file.read_text()


def test_a_server_without_the_database_takes_no_newer_weights_from_a_proxy(
    world: World, down: Server
) -> None:
    """The other server starts with what it kept before a rollback that the proxies have already."""
    file = world.var / "ads" / "edge.json"
    _, canary = world.put(weights(10000), SHOP)
    world.wait_acked(canary)
    wait_until(lambda: kept(world, canary), timeout=5, what="the canary kept on disk")
    older = file.read_bytes()
    _, rolled_back = world.put(weights(0), SHOP)
    world.wait_acked(rolled_back)
    wait_until(lambda: kept(world, rolled_back), timeout=5, what="the rollback kept on disk")
    down.stop()
    world.stop_xds()
    file.write_bytes(older)
    world.start_ads(world.ads_ports[1])
    log = world.var / f"xds-{world.ads_ports[1]}.log"
    wait_until(lambda: log.read_text().count("connected") >= 2, timeout=10, what="both proxies came over")
    assert world.arms(50) == world.arms(50, proxy="EDGE_2") == {"shop-v1": 50}
    back(down)
    _, generation = world.put(weights(10000), SHOP)
    world.wait_acked(generation)
    assert world.arms(5) == {"shop-v2": 5}
