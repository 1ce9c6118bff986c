"""How much is measured: enough for a steady median, or just enough to prove that the harness works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Counts, and `seconds` of each stretch of load; `warm_up` goes before the first of them."""

    routes: tuple[int, int]
    changes: int
    clients: int
    client_changes: int
    repeats: int
    seconds: float
    warm_up: float
    handshakes: int


FULL = Size(
    routes=(10, 10_000),
    changes=40,
    clients=1000,
    client_changes=7,
    repeats=9,
    seconds=2,
    warm_up=1,
    handshakes=400,
)
QUICK = Size(
    routes=(10, 40),
    changes=3,
    clients=10,
    client_changes=1,
    repeats=1,
    seconds=0.5,
    warm_up=0,
    handshakes=10,
)
