"""Two writers at once on PostgreSQL: one waits for what the other holds, and both must end."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections

from tests.support.processes import wait_until

# SQLite has one writer at a time: there the second waits for the whole transaction of the first.
two_writers = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="only PostgreSQL locks rows: SQLite has one writer at a time"
)
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


class Rival(threading.Thread):
    """Does `act` on a connection of its own."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 (whatever it is, the test looks at it)
            self.error = error
        finally:
            connections.close_all()

    def until_it_waits(self) -> None:
        """Returns once it waits for a lock that the test holds."""
        wait_until(_somebody_waits, timeout=10, what="the rival to wait for a lock")

    def ended(self) -> Exception | None:
        """What it ended with, once the test has let go."""
        self.join(10)
        assert not self.is_alive()
        return self.error


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])
