"""gRPC calls of the drills: all over one connection, as clients make them, bounded in number and at once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc

from lab import greeter
from lab.drills.load import LOOPBACK, NO_ANSWER, Answer, bound

PATIENCE_SECONDS = 10.0
BACK_OFF_SECONDS = 0.5
OK = 200


async def calls(port: int, host: str, *, count: int, at_once: int) -> list[Answer]:
    """`count` calls of the greeter over one connection, at most `at_once` under way. Raises TooMuch.

    A call that succeeded bears status 200, any other NO_ANSWER: gRPC has no numbers of HTTP.
    """
    bound(count, at_once)
    began, left, answers = time.monotonic(), count, list[Answer]()
    async with _channel(port, host) as channel:
        call = channel.unary_unary(greeter.PATH, None, None)

        async def keep_calling() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                answers.append(await _call(call, began))

        await asyncio.gather(*(keep_calling() for _ in range(min(at_once, count))))
    return answers


@contextlib.asynccontextmanager
async def calling(ports: Sequence[int], host: str, *, at_once: int) -> AsyncIterator[None]:
    """One client a port that always has `at_once` calls under way, for as long as the block lasts.

    Raises TooMuch.
    """
    bound(0, at_once * len(ports))
    async with contextlib.AsyncExitStack() as open_:
        channels = [await open_.enter_async_context(_channel(port, host)) for port in ports]
        asking = [asyncio.create_task(_keep_calling(each)) for each in channels for _ in range(at_once)]
        try:
            yield
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)


async def _keep_calling(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(greeter.PATH, None, None)
    while True:
        if (await _call(call, 0.0)).status == NO_ANSWER:
            await asyncio.sleep(BACK_OFF_SECONDS)


def _channel(port: int, host: str) -> grpc.aio.Channel:
    options = [("grpc.default_authority", host), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(f"{LOOPBACK}:{port}", options)


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
