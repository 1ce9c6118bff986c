"""A proxy under pressure: it gives up requests at once and says why, and takes them again when the pressure falls.

The pressure is a file's: Envoy's monitor for drills stands beside that of the heap and triggers the same.
"""

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from proxy import selectors, services
from proxy.envoy_admin import EnvoyAdmin
from tests.proxy.clients import connected, holding
from tests.proxy.world import World
from tests.support.envoy import command
from tests.support.processes import free_port, listening, started, wait_until

pytestmark = pytest.mark.real

FAST = 0.05
"""Seconds within which nearly every shed request is answered, on a machine that has other work too."""


@dataclass
class Pressed:
    """A third proxy of the sample tier, and the file of its pressure."""

    world: World
    http_port: int
    admin_port: int
    file: Path

    def press(self, share: float) -> None:
        """Envoy reads the file when another takes its place."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(share))
        fresh.replace(self.file)
        self.wait_for_pressure(share)

    def wait_for_pressure(self, share: float) -> None:
        name = "envoy_overload_envoy_resource_monitors_injected_resource_pressure"
        wait_until(lambda: self.metric(name) == round(share * 100), timeout=5, what=f"pressure {share}")

    def metric(self, name: str, **labels: str) -> float:
        return self.world.metric(name, proxy="EDGE_3", **labels)

    def get(self) -> tuple[int, float]:
        """The code of an answer, and how many seconds it took."""
        began = time.perf_counter()
        url = f"http://127.0.0.1:{self.http_port}/"
        code = requests.get(url, headers={"Host": "shop.test"}, timeout=5).status_code
        return code, time.perf_counter() - began


@pytest.fixture
def pressed(world: World, tmp_path: Path) -> Iterator[Pressed]:
    with proxy(world, tmp_path, {"max_connections": 6, "max_heap": "512MiB"}) as third:
        yield third
    world.wait_acked(world.apply())


@contextlib.contextmanager
def proxy(world: World, folder: Path, protection: dict[str, Any]) -> Iterator[Pressed]:
    http, https, admin = free_port(), free_port(), free_port()
    third = {"name": "edge-3", "http_port": http, "https_port": https, "admin_port": admin}
    (sample,) = world.declared()["tiers"]
    world.apply({"proxies": [*sample["proxies"], third], "protection": protection})
    world.ports["EDGE_3_ADMIN_PORT"] = admin
    pressure, bootstrap = folder / "pressure", folder / "edge-3.json"
    pressure.write_text("0")
    with override_settings(VAR=str(world.var)):
        ads = world.environment["SLUICE_ADS_BIND"]
        call_command("bootstrap", "edge-3", ads=ads, injected_resource=str(pressure), output=bootstrap)
    log = folder / "edge-3.log"
    with started(command(bootstrap), log=log, ready=lambda: listening(http)):
        yield Pressed(world, http, admin, pressure)


def test_a_proxy_at_its_limit_answers_503_fast_says_why_and_recovers(pressed: Pressed) -> None:
    assert pressed.get()[0] == 200
    pressed.press(0.96)
    shed = [pressed.get() for _ in range(100)]
    assert {code for code, _ in shed} == {503}
    assert statistics.quantiles([seconds for _, seconds in shed], n=100)[98] < FAST
    told = lambda: pressed.metric("envoy_sluice_rq", code="503", reason="load_shed") == 100  # noqa: E731
    wait_until(told, timeout=5, what="each of them counted as shed")
    pressed.press(0)
    wait_until(lambda: pressed.get()[0] == 200, timeout=5, what="served again")


def test_a_proxy_near_its_limit_sheds_a_share(pressed: Pressed) -> None:
    """A third of the way between where shedding begins and where the shed point alone would shed all."""
    pressed.press(0.925)
    codes = [pressed.get()[0] for _ in range(200)]
    assert 40 < codes.count(503) < 110
    assert codes.count(200) + codes.count(503) == 200


def test_a_proxy_under_pressure_keeps_no_idle_connection_for_long(pressed: Pressed) -> None:
    """`idle_timeout` is a minute, but not then."""
    with connected(pressed.http_port) as idle:
        pressed.press(0.9)
        began = time.monotonic()
        assert idle.recv(1) == b""
        assert time.monotonic() - began < 4


def test_a_proxy_under_pressure_keeps_no_connection_for_another_request(pressed: Pressed) -> None:
    pressed.press(0.9)
    url = f"http://127.0.0.1:{pressed.http_port}/"
    answer = requests.get(url, headers={"Host": "shop.test"}, timeout=5)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    ("share", "steps"),
    [
        (0.69, {}),
        (0.8, {"reduce_timeouts": 50}),
        (0.94, {"reduce_timeouts": 100, "shrink_heap": 100, "reset_high_memory_stream": 50}),
    ],
)
def test_each_step_is_taken_at_its_share(pressed: Pressed, share: float, steps: dict[str, int]) -> None:
    """What no client can see from outside: Envoy's own word on how far each step is taken, in percent."""
    pressed.press(share)
    prefix = "envoy_overload_envoy_overload_actions"
    names = ("reduce_timeouts", "shrink_heap", "reset_high_memory_stream")
    taken = {name: pressed.metric(f"{prefix}_{name}_scale_percent") for name in names}
    assert {name: percent for name, percent in taken.items() if percent} == steps


def test_a_proxy_at_the_very_end_refuses_connections(pressed: Pressed) -> None:
    pressed.press(0.99)
    with connected(pressed.http_port) as client, contextlib.suppress(ConnectionError):
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        assert client.recv(12) == b""  # not so much as a 503
    assert requests.get(f"http://127.0.0.1:{pressed.admin_port}/ready", timeout=5).status_code == 200


def test_connections_are_capped_over_all_listeners_and_the_admin_gets_in(pressed: Pressed) -> None:
    """Six, of which the admin's do not count."""
    active = "envoy_listener_downstream_cx_active"
    wait_until(lambda: pressed.metric(active) == 0, timeout=5, what="no connection left of the start")
    held = holding(pressed.http_port, 9, "shop.test")
    assert sorted(held) == [False] * 3 + [True] * 6
    assert requests.get(f"http://127.0.0.1:{pressed.admin_port}/ready", timeout=5).status_code == 200


def test_a_change_of_the_heap_is_told_to_need_a_restart(pressed: Pressed) -> None:
    """The third proxy was started with what is declared, the others before it was."""
    services.readback(admin=EnvoyAdmin(), now=timezone.now())
    drift = {
        proxy.name: [word for word in proxy.drift if word.endswith("it needs a restart")]
        for proxy in selectors.tier("edge").proxies
    }
    assert drift["edge-3"] == []
    assert drift["edge-1"] == [
        "protection.max_heap is 1073741824 in the bootstrap, not 536870912: it needs a restart",
        "protection.max_connections is 20000 in the bootstrap, not 6: it needs a restart",
    ]
