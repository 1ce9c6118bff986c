"""gRPC calls of the drills: all over one connection, as clients make them, bounded in number and at once."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc

from lab import greeter
from lab.drills.load import LOOPBACK, NO_ANSWER, Answer, bound

PATIENCE_SECONDS = 10.0
OK = 200


async def calls(port: int, host: str, *, count: int, at_once: int) -> list[Answer]:
    """`count` calls of the greeter over one connection, at most `at_once` under way. Raises TooMuch.

    A call that succeeded bears status 200, any other NO_ANSWER: gRPC has no numbers of HTTP.
    """
    bound(count, at_once)
    options = [("grpc.default_authority", host), ("grpc.use_local_subchannel_pool", 1)]
    began, left, answers = time.monotonic(), count, list[Answer]()
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{port}", options) as channel:
        call = channel.unary_unary(greeter.PATH, None, None)

        async def keep_calling() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                answers.append(await _call(call, began))

        await asyncio.gather(*(keep_calling() for _ in range(min(at_once, count))))
    return answers


async def _call(call: Callable[..., Any], began: float) -> Answer:
    sent = time.monotonic()
    status, backend = OK, ""
    under_way = call(greeter.request_bytes("drill"), timeout=PATIENCE_SECONDS)
    try:
        await under_way
        backend = str(dict(await under_way.initial_metadata()).get("x-lab-backend", ""))
    except grpc.aio.AioRpcError:
        status = NO_ANSWER
    return Answer(sent - began, time.monotonic() - sent, status, backend)
