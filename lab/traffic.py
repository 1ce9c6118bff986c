"""The lab's clients: a steady mix of requests through both proxies, bounded in rate, in flight and in time.

`LAB_TRAFFIC_RPS` requests a second in all (150), for `LAB_TRAFFIC_SECONDS` (a day); proxies are verified
by `LAB_CA_FILE`. Arrivals are Poisson and do not wait for answers, so that a slow tier meets the same load
as a fast one. `GET /outcomes` on `LAB_TRAFFIC_PORT` tells what the clients saw.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import ports
from lab.http import Request, Response, Server
from lab.lanes import GreeterLane, HttpLane, Lane, client_tls
from lab.outcomes import Outcomes

DEFAULT_RPS = 150.0
LIMIT_RPS = 2000.0
DEFAULT_SECONDS = 86_400.0
CA_WAIT_SECONDS = 60.0
PROXIES = (("edge-1", "EDGE_1"), ("edge-2", "EDGE_2"))
# Route, host, method, share of all requests.
HTTP_ROUTES = (
    ("shop", "shop.test", "GET", 110 / 150),
    ("payments", "payments.test", "POST", 15 / 150),
    ("admin", "admin.test", "GET", 5 / 150),
)
GREETER_SHARE = 20 / 150
TLS_SHARE = 0.6


class BadSetting(ValueError):
    """A variable cannot be used."""


@dataclass(frozen=True)
class Settings:
    rps: float
    seconds: float
    ca_file: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises BadSetting naming the variable."""
        return cls(
            rps=_number(environment, "LAB_TRAFFIC_RPS", DEFAULT_RPS, LIMIT_RPS),
            seconds=_number(environment, "LAB_TRAFFIC_SECONDS", DEFAULT_SECONDS, 366 * DEFAULT_SECONDS),
            ca_file=environment.get("LAB_CA_FILE") or "var/pki/ca.pem",
        )


def _number(environment: Mapping[str, str], name: str, default: float, limit: float) -> float:
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= limit:
        raise BadSetting(f"{name} must be a number above 0 and up to {limit:g}, not {text!r}")
    return value


@dataclass(frozen=True)
class Door:
    """One port of one proxy."""

    proxy: str
    scheme: str
    address: str
    port: int
    share: float  # of all requests


def doors(environment: Mapping[str, str], number: Mapping[str, int]) -> list[Door]:
    """Every door of the sample tier; their shares are 1 in all."""
    return [
        Door(
            proxy=proxy,
            scheme=scheme,
            address=environment.get(f"{prefix}_ADDRESS") or "127.0.0.1",
            port=number[f"{prefix}_{scheme}_PORT"],
            share=share / len(PROXIES),
        )
        for proxy, prefix in PROXIES
        for scheme, share in (("HTTPS", TLS_SHARE), ("HTTP", 1 - TLS_SHARE))
    ]


def lanes(door: Door, ca_file: str, outcomes: Outcomes) -> list[tuple[Lane, float]]:
    """Every route through a door, with its share of all requests. Raises OSError without the CA's file."""
    at = (door.proxy, door.address, door.port, outcomes)
    tls = door.scheme == "HTTPS"
    found: list[tuple[Lane, float]] = []
    for route, host, method, of_door in HTTP_ROUTES:
        name, context = f"{route} {door.proxy} {door.scheme}", client_tls(ca_file) if tls else None
        found.append((HttpLane(name, route, host, *at, method, context), of_door * door.share))
    name, ca = f"greeter {door.proxy} {door.scheme}", Path(ca_file).read_bytes() if tls else None
    found.append((GreeterLane(name, "greeter.test", *at, ca), GREETER_SHARE * door.share))
    return found


async def drive(weighted: list[tuple[Lane, float]], settings: Settings) -> None:
    """Sends until the time is over. A late loop skips what it missed: no burst follows a pause."""
    chosen, shares = [lane for lane, _ in weighted], [share for _, share in weighted]
    end = time.monotonic() + settings.seconds
    due = time.monotonic()
    async with asyncio.TaskGroup() as sending:
        while due < end:
            due = max(due + random.expovariate(settings.rps), time.monotonic() - 0.1)
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            sending.create_task(random.choices(chosen, shares)[0].send())


async def wait_for_file(path: str) -> None:
    """The CA is made when the tier is first served. Raises FileNotFoundError when it does not come."""
    end = time.monotonic() + CA_WAIT_SECONDS
    while not Path(path).is_file():
        if time.monotonic() > end:
            raise FileNotFoundError(f"LAB_CA_FILE: no {path} within {CA_WAIT_SECONDS:g} s")
        await asyncio.sleep(0.2)


async def run(environment: Mapping[str, str]) -> None:
    """Drives until the time is over, SIGTERM or SIGINT."""
    settings, number = Settings.read(environment), ports.from_environment(environment)
    outcomes = Outcomes()

    async def answer(request: Request) -> Response:
        if (request.method, request.path) == ("GET", "/outcomes"):
            return Response.of(outcomes.as_json())
        return Response.of({"error": "no such page"}, 404)

    await wait_for_file(settings.ca_file)
    weighted = [
        lane for door in doors(environment, number) for lane in lanes(door, settings.ca_file, outcomes)
    ]
    control = Server(number["LAB_TRAFFIC_PORT"], answer)
    await control.open()
    driving = asyncio.create_task(drive(weighted, settings))
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, driving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await driving
    control.close()
    await asyncio.gather(*(lane.close() for lane, _ in weighted))


def main() -> int:
    try:
        asyncio.run(run(os.environ))
    except (OSError, ports.BadPort, BadSetting) as error:
        sys.stderr.write(f"traffic: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
