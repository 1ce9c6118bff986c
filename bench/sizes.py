"""How much is measured: enough for a steady median, or just enough to prove that the harness works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Counts, and `seconds` of each stretch of load; `warm_up` goes before the first of them.

    `pairs` of processes are compared where one process differs from the next of the same configuration.
    `objectives` are numbers of routes, each with one, and `scraped` the proxies that count their requests.
    `histories` are the routes whose past is made: of counters, and of what Sluice records of them.
    `scenarios` of rollouts (the first of the list; None: all) have `trials` each, and a canary has `falls`,
    all under `rps` requests a second.
    `simulated` are runs of a canary, `simulated_hours` those of a healthy one for an hour, `compared` those
    that other controllers decide too; `rollouts` are those that live at a
    tick, and `runs` those that are open at one.
    `ruled_seconds` go over `ruled` stretches of Prometheus with rules, after `settles` seconds.
    """

    routes: tuple[int, int]
    changes: int
    clients: int
    client_changes: int
    repeats: int
    pairs: int
    seconds: float
    warm_up: float
    handshakes: int
    objectives: tuple[int, int, int]
    scraped: int
    histories: tuple[int, int]
    ruled: int
    ruled_seconds: float
    settles: float
    simulated: int
    simulated_hours: int
    compared: int
    rollouts: tuple[int, int]
    runs: tuple[int, int]
    scenarios: int | None
    trials: int
    falls: int
    rps: int


FULL = Size(
    routes=(10, 10_000),
    changes=40,
    clients=1000,
    client_changes=7,
    repeats=9,
    pairs=21,
    seconds=2,
    warm_up=1,
    handshakes=400,
    objectives=(10, 100, 1000),
    scraped=40,
    histories=(5, 200),
    ruled=3,
    ruled_seconds=120,  # as often as births are looked for
    settles=200,  # until every counter is older than a birth
    simulated=400,
    simulated_hours=500,
    compared=50,
    rollouts=(20, 200),
    runs=(50, 500),
    scenarios=None,
    trials=3,
    falls=10,
    rps=300,
)
QUICK = Size(
    routes=(10, 40),
    changes=3,
    clients=10,
    client_changes=1,
    repeats=1,
    pairs=1,
    seconds=0.5,
    warm_up=0,
    handshakes=10,
    objectives=(2, 4, 8),
    scraped=1,
    histories=(1, 1),
    ruled=1,
    ruled_seconds=0.5,
    settles=0,
    simulated=4,
    simulated_hours=1,
    compared=2,
    rollouts=(2, 4),
    runs=(2, 4),
    scenarios=1,
    trials=1,
    falls=1,
    rps=150,
)
