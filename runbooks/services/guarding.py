"""One of many that fails must not keep the others from going on; the end of the task's time must."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded


@contextmanager
def going_on(log: logging.Logger, failed: str, *args: object) -> Iterator[None]:
    """Log what fails here, and let the caller go on.

    Raises SoftTimeLimitExceeded, which is an Exception: whoever swallows it is killed in the middle of what
    it does next.
    """
    try:
        yield
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception(failed, *args)
