"""A number that is read again and again while a load runs."""

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable

EVERY_SECONDS = 0.25
Points = list[tuple[float, float | None]]


@contextlib.asynccontextmanager
async def sampled(
    read: Callable[[], float | Awaitable[float]], *, every: float = EVERY_SECONDS
) -> AsyncIterator[Points]:
    """(seconds since the block began, the number) for as long as the block lasts, and once at its end.

    `read` must not block: it is called in the loop that the load runs in.
    """
    began, points = time.monotonic(), Points()

    async def keep() -> None:
        found = read()
        value = await found if inspect.isawaitable(found) else found
        points.append((time.monotonic() - began, value))

    async def keep_reading() -> None:
        while True:
            await keep()
            await asyncio.sleep(every)

    task = asyncio.create_task(keep_reading())
    try:
        yield points
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await keep()
