"""A real ADS server that starts over stored revisions which today's rules refuse, or which it cannot read."""

from collections.abc import Iterator
from typing import Any

import pytest

from proxy import selectors
from proxy.models import Revision
from proxy.services.declaring import digest
from tests.proxy.factories import weights
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real
LATER: dict[str, Any] = {
    "name": "later",
    "hosts": ["later.test"],
    "direct_response": {"status": 200, "body": "of the newest revision"},
}


@pytest.fixture
def newest(world: World) -> Iterator[Revision]:
    """Revision with a route more than the one before, which both proxies have."""
    routes = [*world.declared()["tiers"][0]["routes"], LATER]
    world.wait_acked(world.apply({"routes": routes}))
    yield Revision.objects.filter(tier__name="edge")[0]
    world.calm()


def restart(world: World, newest: Revision) -> None:
    """The ADS server begins anew over a newest revision that another Sluice published; edge-2 comes with
    nothing.
    """
    world.stop_xds()
    newest.digest = digest(newest.document)
    newest.save()
    world.stop_envoy("edge-2")
    world.start_xds()
    world.start_envoy("edge-2")
    wait_until(lambda: world.log("xds").count("edge-1 connected") >= 2, timeout=20, what="edge-1 is back")


def test_a_server_serves_what_a_later_rule_refuses(world: World, newest: Revision) -> None:
    newest.document["routes"][-1]["hosts"] = ["later.test", "Later.Example"]
    restart(world, newest)
    assert selectors.served("edge", now=newest.at).troubles
    for proxy in ("EDGE_1", "EDGE_2"):
        assert world.get("later.test", proxy=proxy).text == "of the newest revision"
    world.wait_acked(selectors.generation("edge"))


def test_a_server_that_does_not_understand_the_newest_takes_nothing_from_who_has_it(
    world: World, newest: Revision
) -> None:
    newest.document["routes"][-1]["access"]["second_factor"] = "totp"
    restart(world, newest)
    assert world.arms(3, proxy="EDGE_2") == {"shop-v1": 3}
    assert world.get("later.test", proxy="EDGE_2").status_code == 404
    assert world.get("later.test").text == "of the newest revision"
    _, generation = world.put(weights(10000), "route/shop/weights")
    wait_until(lambda: world.arms(1, proxy="EDGE_2") == {"shop-v2": 1}, timeout=10, what="edge-2 obeys")
    wait_until(lambda: world.arms(1) == {"shop-v2": 1}, timeout=10, what="edge-1, whose weights are known")
    assert world.get("later.test").text == "of the newest revision"
    assert not any(selectors.progress("edge", generation).acked.values())
    world.wait_acked(world.apply({"routes": [*world.declared()["tiers"][0]["routes"], LATER]}))
    assert world.get("later.test", proxy="EDGE_2").text == "of the newest revision"
