"""Clients that each keep one connection, and so stay with one worker of a proxy, whatever happens to that
worker.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from lab.drills.load import NO_ANSWER, Answer, Asker, Target, bound


async def pinned(target: Target, *, connections: int, rate: float, seconds: float) -> list[list[Answer]]:
    """`rate` requests a second on each connection for so long; a connection's answers are a list.

    A request that comes due while the one before is under way waits for it, and is timed from when it was
    due: a stall counts for all the requests that it kept back, not once. Raises TooMuch.
    """
    count = int(rate * seconds)
    bound(count * connections, connections)
    began = time.monotonic()
    end = began + seconds + target.timeout
    askers = [Asker(target) for _ in range(connections)]

    async def client(number: int) -> list[Answer]:
        # Each in its own turn, so that they do not ask at once.
        due = [began + (turn + number / connections) / rate for turn in range(count)]
        return [await _asked(askers[number].ask, at, began, end) for at in due]

    try:
        return await asyncio.gather(*(client(number) for number in range(connections)))
    finally:
        for asker in askers:
            asker.close()


async def _asked(ask: Callable[[], Awaitable[Answer]], due: float, began: float, end: float) -> Answer:
    """As it ended, timed from when it was due; not asked at all when that is long over."""
    if (wait := due - time.monotonic()) > 0:
        await asyncio.sleep(wait)
    if time.monotonic() > end:
        return Answer(due - began, time.monotonic() - due, NO_ANSWER, "")
    answer = await ask()
    return replace(answer, sent_at=due - began, seconds=time.monotonic() - due)
