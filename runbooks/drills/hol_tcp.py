"""Head-of-line blocking in TCP: one lost packet holds back every request of an HTTP/2 connection until it is
sent again, on a link that really loses packets; against several connections, and against HTTP/3, whose
streams wait for nobody (7.2).

Each side is a network of its own, with a client, a link that drops packets of TCP and of UDP alike, and the
tier's proxy behind it. Only the client's protocol differs: the tier's part is to serve HTTP/3 at all
(`tls.http3`).
"""

import json
from collections.abc import Sequence
from typing import Any

from lab import ports
from lab.drills import lossy
from lab.drills.apart import told
from lab.drills.crossing import Crossing
from lab.drills.load import percentile
from lab.drills.speaker import Door, Protocol, Trust, speaker
from proxy import schema
from runbooks.domain.drills import Check, Measured, Plot, Point, Row
from runbooks.drills.drill import CannotPlay, Drill, Side
from runbooks.drills.world import Prepared, World

HOST = "drill.test"
LOSS, DELAY_SECONDS = 0.02, 0.03
ANSWER_BYTES, RATE = 1_000, 200.0
CLEAN_SECONDS, LOSSY_SECONDS = 2.5, 10.0
LATE_MS = 30.0
"""Above the median without loss, half of the 60 ms there and back: so late is what waited for a packet, its
own or another's.
"""
WINDOW_SECONDS = 0.5
Request = tuple[float, float, int]
"""When it was sent and how long it took, in seconds; its status."""


async def one_connection(world: World) -> Measured:
    """HTTP/2 as browsers speak it."""
    return await _play(world, "http2", http3=False)


async def several_connections(world: World) -> Measured:
    """HTTP/2 with a connection for each request that is under way."""
    return await _play(world, "http2", streams=1, http3=False)


async def quic(world: World) -> Measured:
    """HTTP/3: one connection, whose streams are delivered each by itself."""
    return await _play(world, "http3", http3=True)


async def _play(world: World, protocol: Protocol, *, http3: bool, streams: int | None = None) -> Measured:
    backend_port, door, admin = ports.free(3)
    # A network of its own: nobody else is in it.
    proxy = world.prepared(_tier(backend_port, http3=http3), bind="0.0.0.0")  # noqa: S104
    client = Door("edge", door, (lossy.FAR, proxy.ports["https_port"]), protocol, streams)
    plan = Crossing(
        folder=str(world.folder),
        proxy=tuple(proxy.argv),
        proxy_admin=proxy.ports["admin_port"],
        client=_client(world, client, admin, proxy),
        client_admin=admin,
        door=door,
        backend_port=backend_port,
        host=HOST,
        answer_bytes=ANSWER_BYTES,
        rate=RATE,
        clean_seconds=world.seconds(CLEAN_SECONDS),
        lossy_seconds=world.seconds(LOSSY_SECONDS),
        loss=LOSS,
        delay=DELAY_SECONDS,
    )
    file = world.folder / "crossing.json"
    file.write_text(plan.as_text())
    return _measured(await told("lab.drills.crossing", str(file), under=_network()))


def _network() -> list[str]:
    try:
        return lossy.namespace()
    except lossy.NotPermitted as error:
        raise CannotPlay(f"there can be no lossy link here: {error}") from error


def _tier(backend_port: int, *, http3: bool) -> dict[str, Any]:
    return {
        "upstreams": [{"name": "api", "endpoints": [{"port": backend_port}]}],
        "routes": [{"name": "api", "hosts": [HOST], "upstream": "api", "timeout": "30s"}],
        "tls": {"http3": http3},
        "access_log": "off",
    }


def _client(world: World, door: Door, admin: int, proxy: Prepared) -> tuple[str, ...]:
    """The command of an Envoy that is the client."""
    authority, config = world.folder / "authority.pem", world.folder / "client.json"
    authority.write_text(proxy.material.certificate)
    config.write_text(json.dumps(speaker([door], Trust(str(authority), HOST), admin_port=admin)))
    argv = (str(schema.binary()), "-c", str(config), "--concurrency", "1")
    return (*argv, "--disable-hot-restart", "-l", "warning")


def _measured(found: dict[str, Any]) -> Measured:
    clean, lost = found["clean"], found["lossy"]
    usual = _ms(clean, 0.5)
    carried, dropped = (sum(found["link"][name].values()) for name in ("carried", "dropped"))
    return Measured(
        values={
            "clean_p50": usual,
            "clean_late": _late(clean, usual),
            "p50": _ms(lost, 0.5),
            "p90": _ms(lost, 0.9),
            "p99": _ms(lost, 0.99),
            "late": _late(lost, usual),
            "connections": found["connections"],
            "dropped": 100 * dropped / (carried + dropped),
        },
        curves={"late": _late_over_time(lost, usual)},
    )


def _late(requests: Sequence[Request], usual: float | None) -> float | None:
    """In percent of all; those that failed are late as well. `usual` is the median without loss in ms."""
    if usual is None:
        return None
    late = (not _good(each) or 1000 * each[1] > usual + LATE_MS for each in requests)
    return 100 * sum(late) / len(requests)


def _late_over_time(requests: Sequence[Request], usual: float | None) -> list[Point]:
    """By windows of half a second in which requests were sent: (the window's end, percent)."""
    windows: dict[int, list[Request]] = {}
    for request in requests:
        windows.setdefault(int(request[0] / WINDOW_SECONDS), []).append(request)
    return [((at + 1) * WINDOW_SECONDS, _late(found, usual)) for at, found in sorted(windows.items())]


def _good(request: Request) -> bool:
    return 200 <= request[2] < 400


def _ms(requests: Sequence[Request], share: float) -> float | None:
    return percentile([1000 * each[1] for each in requests if _good(each)], share)


def judge(sides: Sequence[Measured]) -> list[Check]:
    one, several, quic = (side.value("late") for side in sides)
    before = sides[0].value("clean_late")
    return [
        Check(
            f"on one connection {one:.1f} % of the requests were late with loss, {before:.1f} % without",
            one >= 10 and one > 2 * before,
        ),
        Check(
            f"on several connections {several:.1f} % were late: not two thirds of that", several < one / 1.5
        ),
        Check(f"over HTTP/3 {quic:.1f} % were late: not two thirds of that", quic < one / 1.5),
    ]


DRILL = Drill(
    name="hol-tcp",
    title="Head-of-line blocking in TCP",
    purpose="What one HTTP/2 connection costs on a network that loses packets, and what HTTP/3 changes.",
    source="7.2 Head-of-Line Blocking: TCP",
    sides=(
        Side("HTTP/2, one connection", "every request on the same connection of TCP", one_connection),
        Side("HTTP/2, several", "a connection for each request under way", several_connections),
        Side("HTTP/3", "one connection of QUIC", quic),
    ),
    rows=(
        Row(
            "clean_p50",
            "median without loss",
            "ms",
            "200 requests a second for 1 kB each, 60 ms there and back",
        ),
        Row(
            "clean_late",
            "late without loss",
            "%",
            "of the same, not answered within 30 ms more than that median",
            1,
        ),
        Row(
            "p50",
            "median with loss",
            "ms",
            "the same requests while 2 % of all packets are dropped, each way",
        ),
        Row("p90", "slowest in ten with loss", "ms", "90th percentile of the same"),
        Row("p99", "slowest in a hundred with loss", "ms", "99th percentile of the same"),
        Row("late", "late with loss", "%", "of the same, not answered within 30 ms more than that median", 1),
        Row("connections", "connections made", "", "the client's upstream_cx_total"),
        Row("dropped", "packets dropped", "%", "as the link counted them, while it lost any", 1),
    ),
    plots=(Plot("late", "Late while packets were lost", "%"),),
    judge=judge,
)
