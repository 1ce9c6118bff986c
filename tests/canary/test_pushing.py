"""Following a change of weights on a tier where something else is refused."""

from typing import Any

import pytest

import proxy.selectors
import proxy.services
from tests.canary.factories import PROXIES, World, state

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
