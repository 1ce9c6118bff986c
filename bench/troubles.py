"""What happens to a rollout in mid-way: faults of an arm, and parts of the system that go away."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.stage import CANARY, PATIENCE_SECONDS, POLL_SECONDS, STABLE, Stage
from tests.support.processes import NotReady, wait_until

ENDS = ("promoted", "rolled_back", "needs_human")
AWAY_SECONDS = 20.0
INCIDENT_SECONDS = 60.0
BETWEEN_DEATHS = (10.0, 40.0)
"""Long enough that some worker is done with starting, after the pauses that grow from death to death."""


@dataclass(slots=True)
class Run:
    """One rollout under way. `since` is the Unix time from which its verdict is waited for.

    `share` is what the canary got of the route's requests while a part was away, 0..1; None without that.
    """

    stage: Stage
    number: int
    since: float
    share: float | None = None

    def rollout(self) -> dict[str, Any]:
        return self.stage.system.rollout(self.number)

    def ended(self, within: float) -> dict[str, Any] | None:
        """The rollout, once it has ended or waits for a person; None where it has not within these seconds.

        While the database is away nothing is known of it.
        """

        def over() -> dict[str, Any] | None:
            found = self.rollout()
            return found if found["state"] in ENDS else None

        with contextlib.suppress(NotReady):
            what = f"the end of rollout {self.number}"
            return wait_until(over, timeout=within, what=what, every=POLL_SECONDS)
        return None


Trouble = Callable[[Run], None]
"""Returns when the trouble is over or lasts; it has set the run's `since` where that is not its start."""


def nothing(_: Run) -> None:
    """The canary is well."""


def fault(**given: Any) -> Trouble:
    """The canary fails so until the end; see `lab.faults.Fault`."""

    def trouble(run: Run) -> None:
        run.since = time.time()
        run.stage.break_arm(CANARY, **given)

    return trouble


def from_weight(weight: int, **given: Any) -> Trouble:
    """The canary is well until it has this weight, in basis points, on every proxy."""

    def trouble(run: Run) -> None:
        wait_until(
            lambda: (found := run.rollout())["weight"] >= weight and found["times"]["acked_at"],
            timeout=2 * PATIENCE_SECONDS,
            what=f"{weight} basis points",
            every=POLL_SECONDS,
        )
        fault(**given)(run)

    return trouble


def incident(**given: Any) -> Trouble:
    """Both arms fail alike, for a minute."""

    def trouble(run: Run) -> None:
        for arm in (STABLE, CANARY):
            run.stage.break_arm(arm, **given)
        run.ended(within=INCIDENT_SECONDS)
        run.stage.system.heal()

    return trouble


def away(program: str) -> Trouble:
    """A program of the stack is ended and comes back after a while."""

    def trouble(run: Run) -> None:
        with _measured(run):
            run.stage.system.stack.stop(program)
            time.sleep(AWAY_SECONDS)
        run.stage.system.stack.start(program)

    return trouble


def database_away(run: Run) -> None:
    """PostgreSQL is shut down with all its connections, and comes back after a while."""
    with _measured(run):
        run.stage.database.stop()
        try:
            time.sleep(AWAY_SECONDS)
        finally:
            run.stage.database.start()


def killed(program: str) -> Trouble:
    """A program of the stack and all its children get SIGKILL, and are started again as a supervisor does."""

    def trouble(run: Run) -> None:
        run.stage.system.stack.kill(program)

    return trouble


def worker_deaths(run: Run) -> None:
    """The workers are killed again and again, at no steady times, until the rollout has ended."""
    draw = random.Random(run.number)  # noqa: S311  (no secret; the same times for the same rollout)
    until = time.monotonic() + 10 * PATIENCE_SECONDS
    while time.monotonic() < until:
        run.stage.system.stack.kill("worker")
        if run.ended(within=draw.uniform(*BETWEEN_DEATHS)):
            return


@contextlib.contextmanager
def _measured(run: Run) -> Iterator[None]:
    """Count, at the backends, what the canary gets for the length of the block."""
    before = {arm: run.stage.served(arm) for arm in (STABLE, CANARY)}
    yield
    got = {arm: run.stage.served(arm) - count for arm, count in before.items()}
    run.share = got[CANARY] / max(1, sum(got.values()))
