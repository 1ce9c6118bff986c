"""Which loopback port each process of the local system listens on, and the variable that changes it."""

import random
import socket
from collections.abc import Mapping

DEFAULTS: dict[str, int] = {
    "SLUICE_WEB_PORT": 8000,
    "SLUICE_ADS_PORT": 18000,
    "SLUICE_PROMETHEUS_PORT": 19090,
    "SLUICE_REDIS_PORT": 16379,
    "EDGE_1_HTTP_PORT": 10080,
    "EDGE_1_HTTPS_PORT": 10443,
    "EDGE_1_ADMIN_PORT": 19001,
    "EDGE_2_HTTP_PORT": 10081,
    "EDGE_2_HTTPS_PORT": 10444,
    "EDGE_2_ADMIN_PORT": 19002,
    "LAB_CONTROL_PORT": 11000,
    "LAB_SHOP_V1_A_PORT": 11001,
    "LAB_SHOP_V1_B_PORT": 11002,
    "LAB_SHOP_V2_A_PORT": 11003,
    "LAB_PAYMENTS_A_PORT": 11004,
    "LAB_ADMIN_A_PORT": 11005,
    "LAB_GREETER_A_PORT": 11006,
    "LAB_GREETER_B_PORT": 11007,
    "LAB_GREETER_C_PORT": 11008,
    "LAB_TRAFFIC_PORT": 11010,
    "LAB_RECEIVER_PORT": 12000,
    "LAB_SOCKET_PORT": 12001,
}


# Below the kernel's ephemeral range (32768 and up), so that no client's socket takes a port between the
# choice and the start of its server.
FIRST_FREE, LAST_FREE = 20_000, 32_000
TRIES = 200


class BadPort(ValueError):
    """A port variable does not hold a port."""


def port(name: str, environment: Mapping[str, str]) -> int:
    """The port of a variable of `DEFAULTS`: 1 to 65535. Raises BadPort naming the variable."""
    text = environment.get(name, "") or str(DEFAULTS[name])
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise BadPort(f"{name} must be a port from 1 to 65535, not {text!r}")
    return int(text)


def from_environment(environment: Mapping[str, str]) -> dict[str, int]:
    """Every variable of `DEFAULTS` with its port. Raises BadPort, also when two share one port."""
    ports = {name: port(name, environment) for name in DEFAULTS}
    owners: dict[int, str] = {}
    for name, number in ports.items():
        if number in owners:
            raise BadPort(f"{owners[number]} and {name} are both port {number}")
        owners[number] = name
    return ports


def in_use(number: int) -> bool:
    """True when something already holds this port on the loopback address, by TCP or UDP."""
    return any(_held(kind, number) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _held(kind: socket.SocketKind, number: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # A port whose last owner left connections in TIME_WAIT is free for a server.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return True
    return False


def free(count: int) -> list[int]:
    """So many different ports that nobody holds now. Raises OSError when there are none."""
    found: list[int] = []
    for number in random.sample(range(FIRST_FREE, LAST_FREE), TRIES + count):
        if len(found) == count:
            return found
        if number not in DEFAULTS.values() and not in_use(number):
            found.append(number)
    raise OSError("no free loopback port")
