"""From a committed change of weights to the first request that obeys, with few routes and with many."""

import contextlib
import gc
import http.client
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.control import Overlays, Plane, plane, proxies, wait_acked
from bench.figures import Figure, Target, figure
from bench.nginx import tagged
from bench.sizes import Size
from proxy import selectors
from proxy.domain.tier import WEIGHT_TOTAL

BENCH = "push"
HOST = "bench.test"
ROUTES_A_HOST = 200
SPLIT_EVERY = 10
ARMS = ("stable", "canary")
UNDER_MS = 100
FACTOR = 1.5
PATIENCE_SECONDS = 30.0


@dataclass(slots=True)
class Case:
    """A tier of so many routes that serves, and a client with one kept connection to its proxy."""

    plane: Plane
    overlays: Overlays
    route: str
    client: http.client.HTTPConnection
    path: str
    host: str
    arm: str = ARMS[0]

    def change(self) -> float:
        """Send all of the route's traffic to the other arm; milliseconds until a request obeys."""
        self.arm = ARMS[1 - ARMS.index(self.arm)]
        weights = {arm: WEIGHT_TOTAL * (arm == self.arm) for arm in ARMS}
        with self.plane.database():
            self.overlays.put({"kind": "weights", "route": self.route, "weights": weights})
        committed = time.monotonic()
        while self._answered() != self.arm:
            if time.monotonic() - committed > PATIENCE_SECONDS:
                raise TimeoutError(f"no request obeyed within {PATIENCE_SECONDS:g} s")
        return (time.monotonic() - committed) * 1000

    def _answered(self) -> str:
        self.client.request("GET", self.path, headers={"Host": self.host})
        return self.client.getresponse().read().decode()


def run(size: Size, folder: Path) -> list[Figure]:
    """Both sizes serve at the same time and are changed in turn."""
    declared: dict[int, list[float]] = {count: [] for count in size.routes}
    measured: dict[int, list[float]] = {count: [] for count in size.routes}
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(tagged(folder / "backends", ARMS))
        cases = {
            count: stack.enter_context(_case(folder / str(count), count, backends, declared[count]))
            for count in size.routes
        }
        gc.collect()
        gc.freeze()  # this process holds 10,000 routes too, and its collector is not to be measured
        for _ in range(size.changes):
            for count, case in cases.items():
                # Between two looks of the ADS server at the database, at no steady place.
                time.sleep(random.uniform(0.1, 0.2))  # noqa: S311  (no secret)
                measured[count].append(case.change())
    few, many = size.routes
    figures = [
        figure(BENCH, f"{few:,} routes", "ms", measured[few], Target("under", UNDER_MS)),
        figure(BENCH, f"{many:,} routes", "ms", measured[many]),
    ]
    ratio = figures[1].value / figures[0].value
    figures.append(figure(BENCH, f"{many:,} routes / {few:,} routes", "", [ratio], Target("at most", FACTOR)))
    figures += [figure(BENCH, f"apply, {count:,} routes", "s", declared[count]) for count in size.routes]
    return figures


@contextlib.contextmanager
def _case(var: Path, count: int, backends: dict[str, int], declared: list[float]) -> Iterator[Case]:
    tier = _tier(count, backends)
    with plane(var) as control, contextlib.ExitStack() as stack:
        with control.database():
            began = time.monotonic()
            control.declare(tier)
            declared.append(time.monotonic() - began)
        stack.enter_context(control.serving())
        port = tier["proxies"][0]["http_port"]
        stack.enter_context(control.envoy("proxy-0", port))
        with control.database():
            wait_acked(selectors.generation("bench"))
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        stack.callback(client.close)
        # Of the routes with a split the last.
        measured = tier["routes"][(count - 1) // SPLIT_EVERY * SPLIT_EVERY]
        name, (host,), path = measured["name"], measured["hosts"], measured["prefix"]
        yield Case(control, Overlays(f"route/{name}/weights"), name, client, path, host)


def _tier(count: int, backends: dict[str, int]) -> dict[str, Any]:
    """Every tenth route has a split. Hosts of 200 routes each."""
    return {
        "name": "bench",
        "proxies": proxies(1),
        "upstreams": [{"name": arm, "endpoints": [{"port": port}]} for arm, port in backends.items()],
        "routes": [
            {
                "name": f"route-{number}",
                "hosts": [f"h{number // ROUTES_A_HOST}.{HOST}"],
                "prefix": f"/p{number}",
                "split": _split(number),
            }
            for number in range(count)
        ],
    }


def _split(number: int) -> dict[str, int]:
    stable, canary = ARMS
    return {stable: WEIGHT_TOTAL, canary: 0} if number % SPLIT_EVERY == 0 else {stable: WEIGHT_TOTAL}
