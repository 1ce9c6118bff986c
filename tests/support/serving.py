"""A small HTTP server on a thread of its own, for the length of a block."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator

from lab.http import Request, Response, Server
from tests.support.processes import free_port

Answer = Callable[[Request], Awaitable[Response | None]]


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """Answers on the loopback port that it yields."""
    loop = asyncio.new_event_loop()
    server = Server(free_port(), answer)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.open(), loop).result(5)
    try:
        yield server.port
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: Server) -> None:
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    if rest:
        await asyncio.wait(rest, timeout=2)  # each ends by itself, its connection being gone
