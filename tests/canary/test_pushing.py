"""Following a change of weights where something else is refused, and where a proxy is slow to answer."""

from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

import proxy.selectors
import proxy.services
from proxy.domain.errors import ProxyUnreachable
from proxy.memory import InMemoryAdmin
from tests.canary.factories import PROXIES, World, rollout, state

pytestmark = pytest.mark.django_db


class RefusedListener(World):
    """The proxies take every weight, and refuse a listener of each generation."""

    refuses = False

    def serve(self) -> None:
        if not self.refuses:
            super().serve()
            return
        served = proxy.selectors.served("edge", now=self.now)
        for name, address in PROXIES.items():
            self.admin.runs(address, {route.name: dict(route.split) for route in served.live.routes})
            said: dict[str, Any] = {
                "tier": "edge",
                "generation": served.generation,
                "now": self.now,
            }
            proxy.services.record_nack(**said, proxy=name, kind="listener", reason="port 10443 is taken")
            proxy.services.record_weights_ack(**said, proxies=[name])


def test_a_rollback_is_verified_though_the_proxies_refuse_a_listener() -> None:
    world = RefusedListener()
    number = world.start()
    world.run(5)
    world.refuses, world.fails["shop-v2"] = True, 0.5
    assert world.run(60, lambda: state(number) == "rolled_back"), state(number)
    assert world.split()["shop-v2"] == 0


class EachWaitsForAll(InMemoryAdmin):
    """Says its weights when every proxy was asked; who is asked after the answer of another gets none."""

    together: Barrier | None = None

    def weights(self, address: str, route: str) -> dict[str, int] | None:
        try:
            if self.together is not None:
                self.together.wait(timeout=3)
        except BrokenBarrierError as error:
            raise ProxyUnreachable(f"{address} was not asked beside the others") from error
        return super().weights(address, route)


def test_all_proxies_are_asked_at_once_so_that_a_dead_one_holds_up_no_other() -> None:
    world = World()
    world.admin = admin = EachWaitsForAll()
    number = world.start()
    world.serve()
    admin.together = Barrier(len(PROXIES))
    world.tick()
    assert rollout(number).push["verified_at"], rollout(number).push
