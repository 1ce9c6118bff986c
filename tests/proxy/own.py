"""The sample tier with a route of the test's own."""

from typing import Any

import requests

from tests.proxy.world import World


def declare(world: World, own_port: int, limits: dict[str, Any], **more: Any) -> None:
    """The sample tier with these limits, and `own.test` that leads to the test's own backend."""
    (sample,) = world.declared()["tiers"]
    room = {"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024}
    own = {"name": "own", "endpoints": [{"port": own_port}], "circuit_breaker": room}
    route = {"name": "own", "hosts": ["own.test"], "upstream": "own", "timeout": "20s"}
    changed = {
        "upstreams": [*sample["upstreams"], {**own, **more.pop("upstream", {})}],
        "routes": [*sample["routes"], {**route, **more.pop("route", {})}],
        "limits": limits,
        **more,
    }
    world.wait_acked(world.apply(changed))


def ask(world: World, path: str = "/", *, host: str = "own.test", **more: Any) -> requests.Response:
    """One request over a new connection: a kept one goes on by what its proxy was told when it began."""
    url = f"http://127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}{path}"
    return requests.get(url, headers={"Host": host, **more.pop("headers", {})}, timeout=5, **more)
