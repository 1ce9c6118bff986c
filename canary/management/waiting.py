"""Waiting at a shell for the end of what goes on by itself."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from canary.domain.outcomes import UNDECIDED

EVERY_SECONDS = 0.5


def until_decided(
    look: Callable[[], tuple[str, int | None]], *, timeout: float, say: Callable[[str], object]
) -> int:
    """The exit code, once `look` finds one; UNDECIDED after `timeout` seconds.

    `look` tells how it stands and, at its end, the exit code. What it tells is said when it changes.
    """
    until, said = timezone.now() + timedelta(seconds=timeout), ""
    while True:
        text, code = look()
        if text != said:
            said = text
            say(said)
        if code is not None:
            return code
        if timezone.now() >= until:
            return UNDECIDED
        time.sleep(EVERY_SECONDS)
