"""Requests over a lossy link: an answering backend and a proxy on the far side, a client of one protocol on
this one.

    unshare --net python -m lab.drills.crossing PLAN.json

First without loss, then with it, over the same connections. Prints what became of each request as JSON. The
plan is a `Crossing` as JSON; it belongs into a network namespace of its own: see `lossy`.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests

from lab.drills import lossy
from lab.drills.load import Answer, Target, steady
from lab.drills.processes import NotStarted, live, running
from lab.http import Request, Response, Server

WARM_SECONDS = 1.0
SETTLE_SECONDS = 0.5
"""Between the two parts, so that no answer of the first meets the loss of the second."""
ROUTES = Path("/proc/net/route")
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Crossing:
    """`proxy` and `client` are commands; `door` is the client's port, whose requests cross the link to the
    proxy, which has its backend at `backend_port`. Times in seconds, `loss` a share each way, `delay` one
    way.
    """

    folder: str
    proxy: tuple[str, ...]
    proxy_admin: int
    client: tuple[str, ...]
    client_admin: int
    door: int
    backend_port: int
    host: str
    answer_bytes: int
    rate: float
    clean_seconds: float
    lossy_seconds: float
    loss: float
    delay: float

    def as_text(self) -> str:
        return json.dumps(asdict(self))


async def cross(plan: Crossing) -> dict[str, Any]:
    """Raises NotStarted where a part does not come up."""
    body = os.urandom(plan.answer_bytes)

    async def answer(_: Request) -> Response:
        return Response(200, body)

    folder = Path(plan.folder)
    async with contextlib.AsyncExitStack() as parts:
        link = await parts.enter_async_context(_link(plan, folder))
        for name, argv, admin in (
            ("proxy", plan.proxy, plan.proxy_admin),
            ("client", plan.client, plan.client_admin),
        ):
            ready = partial(live, admin)
            await parts.enter_async_context(running(argv, log=folder / f"{name}.log", ready=ready))
        backend = Server(plan.backend_port, answer)
        parts.callback(backend.close)
        await backend.open()
        clean, lost = await _measured(plan, link)
        connections = _connections(plan)
    return {
        "clean": _plain(clean),
        "lossy": _plain(lost),
        "connections": connections,
        "link": json.loads((folder / "link.log").read_text().splitlines()[-1]),
        "congestion": lossy.congestion(),
    }


async def _measured(plan: Crossing, link: int) -> tuple[list[Answer], list[Answer]]:
    """Without loss and with it. The connections are made before, and slow start is over."""
    target = Target(plan.door, plan.host, timeout=ANSWER_SECONDS)
    await steady(target, rate=plan.rate, seconds=WARM_SECONDS)
    clean = await steady(target, rate=plan.rate, seconds=plan.clean_seconds)
    await asyncio.sleep(SETTLE_SECONDS)
    os.kill(link, signal.SIGUSR1)
    return clean, await steady(target, rate=plan.rate, seconds=plan.lossy_seconds)


def _link(plan: Crossing, folder: Path) -> AbstractAsyncContextManager[int]:
    argv = [sys.executable, "-m", "lab.drills.lossy", "--from-signal"]
    argv += ["--loss", str(plan.loss), "--delay-ms", str(1000 * plan.delay)]
    up = lambda: lossy.DEVICE in ROUTES.read_text()  # noqa: E731
    return running(argv, log=folder / "link.log", ready=up)


def _connections(plan: Crossing) -> int:
    """How many the client has made to the proxy."""
    url = f"http://127.0.0.1:{plan.client_admin}/stats"
    query = {"filter": r"^cluster\..*\.upstream_cx_total$", "format": "json"}
    stats = requests.get(url, params=query, timeout=ANSWER_SECONDS).json()["stats"]
    return sum(int(each["value"]) for each in stats)


def _plain(answers: Sequence[Answer]) -> list[tuple[float, float, int]]:
    """When each was sent, how long it took in seconds, its status."""
    return [(round(answer.sent_at, 4), round(answer.seconds, 5), answer.status) for answer in answers]


def main(argv: Sequence[str]) -> int:
    plan = json.loads(Path(argv[0]).read_text())
    try:
        found = asyncio.run(cross(Crossing(**plan)))
    except NotStarted as error:
        sys.stderr.write(f"crossing: {error}\n")
        return 1
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
