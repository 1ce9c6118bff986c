"""Several ADS servers under real Envoys: one that dies or restarts loses nothing and moves no weight."""

import threading
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from proxy import selectors
from tests.proxy.factories import weights
from tests.proxy.world import World, database, running
from tests.support.processes import wait_until

pytestmark = pytest.mark.real
SHOP = "route/shop/weights"


@pytest.fixture(scope="module")
def started_pair(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    with django_db_blocker.unblock(), running(tmp_path_factory.mktemp("pair"), ads_servers=2) as world:
        yield world


@pytest.fixture
def world(started_pair: World, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), database(started_pair):
        started_pair.calm()
        yield started_pair


def server_of(proxy: str) -> str:
    """The port of the ADS server that the proxy is recorded to be with."""
    found = next(row for row in selectors.tier("edge").proxies if row.name == proxy)
    return found.connected_to.rpartition(":")[2] if found.connected else ""


class Clients:
    """Requests to the shop through both proxies until the block ends: how many, and what was not as it was."""

    def __init__(self, world: World, upstream: str) -> None:
        self._world, self._upstream, self._end = world, upstream, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count, self.wrong = 0, list[str]()

    def _run(self) -> None:
        while not self._end.wait(0.002):
            for proxy in ("EDGE_1", "EDGE_2"):
                answer = self._world.get("shop.test", proxy=proxy)
                self.count += 1
                backend = answer.headers.get("x-lab-backend", "")
                if answer.status_code != 200 or not backend.startswith(self._upstream):
                    self.wrong.append(f"{answer.status_code} {backend}")

    def __enter__(self) -> "Clients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def test_a_server_that_dies_moves_no_weight_and_its_proxies_go_to_the_other(world: World) -> None:
    _, generation = world.put(weights(10000), SHOP)
    world.wait_acked(generation)
    dies = server_of("edge-1")
    stays = next(port for port in world.ads_ports if str(port) != dies)
    with Clients(world, "shop-v2") as clients:
        world.kill_ads(int(dies))
        wait_until(lambda: server_of("edge-1") == str(stays), timeout=10, what="edge-1 with the other server")
        wait_until(lambda: server_of("edge-2") == str(stays), timeout=10, what="edge-2 with the other server")
        seen = clients.count
        wait_until(lambda: clients.count > seen + 200, timeout=10, what="traffic under the other server")
    assert clients.wrong == []
    _, generation = world.put(weights(0), SHOP)
    world.wait_acked(generation)
    assert world.arms(10) == world.arms(10, proxy="EDGE_2") == {"shop-v1": 10}
    world.start_ads(int(dies))


def test_a_server_that_starts_says_nothing_about_the_other_s_proxies(world: World) -> None:
    first, second = world.ads_ports
    world.kill_ads(second)
    both = ("edge-1", "edge-2")
    wait_until(lambda: set(map(server_of, both)) == {str(first)}, timeout=10, what="both with the first")
    log = world.var / f"xds-{second}.log"
    began = log.read_text().count("generation")
    world.start_ads(second)
    wait_until(lambda: log.read_text().count("generation") > began, timeout=10, what="the second has begun")
    assert set(map(server_of, both)) == {str(first)}
