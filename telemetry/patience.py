"""Asking Prometheus for a page: once for many readers, and not for long."""

from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache

from telemetry import ports
from telemetry.ports import Metrics

# A page must appear even when Prometheus hangs: it then says so, and asks again at its next turn.
PATIENCE_SECONDS = 1.5
# Ten people who watch one page ask Prometheus as often as one. Each figure still says how old it is.
SHARED_SECONDS = 2

T = TypeVar("T")


def patient() -> Metrics:
    """The Prometheus of the settings, with a page's patience."""
    return ports.from_settings(timeout=PATIENCE_SECONDS)


def remembered(key: str, ask: Callable[[], T], *, seconds: int = SHARED_SECONDS) -> T:
    """What `ask` answered at most `seconds` ago. A trouble is remembered too: nobody waits twice for it."""
    found: T | None = cache.get(key)
    if found is None:
        found = ask()
        cache.set(key, found, seconds)
    return found
