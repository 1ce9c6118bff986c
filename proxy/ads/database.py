"""The ADS server's one thread for the database: it may hang, and the proxies' streams go on."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connections

from proxy.domain.errors import ProxyError

log = logging.getLogger("sluice.xds")

PAUSE_SECONDS = 0.5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failed:
    """The database did not do it."""

    error: Exception


@dataclass(slots=True)
class Database:
    """Does one piece of work after the other."""

    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="database")
    )

    async def do(self, work: Callable[[], T], what: str) -> T | Failed:
        """What `work` returns. Where it fails that is logged, and the next work has a new connection."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (DatabaseError, ProxyError, ValueError, OSError) as error:
            log.warning("%s: %s", what, error)
            await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
            await asyncio.sleep(PAUSE_SECONDS)
            return Failed(error)
