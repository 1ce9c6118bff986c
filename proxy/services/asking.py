"""Asking many proxies at once: a tick has seconds, and those that do not answer cost each its timeout."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 64
P = TypeVar("P")
R = TypeVar("R")


def asked(ask: Callable[[P], R], of: Sequence[P]) -> list[R]:
    """What `ask` returns of each, in their order. It runs on other threads, so it must leave the database
    alone.
    """
    with ThreadPoolExecutor(max(1, min(len(of), MOST)), thread_name_prefix="asking") as pool:
        return list(pool.map(ask, of))
