"""From a canary's first failures to the last request that a proxy sends it, phase by phase, on real parts."""

import random
import sys
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure, Target, figure
from bench.sizes import Size
from bench.stage import BACKENDS, CANARY, SETTLED, STABLE, Stage, stage
from tests.support.processes import wait_until

BENCH = "rollback"
ERROR_RATE = 0.3
SERVED = 60
"""The canary has answered so many requests before it fails: it is past the warm-up."""
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05
MEDIAN_SECONDS, WORST_SECONDS = 5, 8
GOING = ("rolling_back", "rolled_back")


@dataclass(frozen=True, slots=True)
class Fall:
    """Seconds from the fault to the end of each phase.

    scraped: the scrape that decided was taken; judged: the tick began that decided by it; committed: the
    decision was to be read from Sluice; acknowledged: every proxy had said that it runs the new weights;
    obeyed: the canary's backend got its last request.
    """

    scraped: float
    judged: float
    committed: float
    acknowledged: float
    obeyed: float

    def __str__(self) -> str:
        return ", ".join(f"{each.name} {getattr(self, each.name):.2f} s" for each in fields(self))


class StillServed(Exception):
    """A canary that was rolled back got a request."""


def run(size: Size, folder: Path) -> list[Figure]:
    falls = []
    with stage(folder, size.rps) as staged:
        for _ in range(size.falls):
            falls.append(fall(staged))
            sys.stderr.write(f"{BENCH}: {falls[-1]}\n")
    phases = dict(
        zip((each.name for each in fields(Fall)), zip(*map(astuple, falls), strict=True), strict=True)
    )
    last = phases.pop("obeyed")
    return [
        *(figure(BENCH, name, "s", measured) for name, measured in phases.items()),
        figure(BENCH, "obeyed: the last request at the canary", "s", last, Target("at most", MEDIAN_SECONDS)),
        figure(BENCH, "obeyed, the worst", "s", [max(last)], Target("at most", WORST_SECONDS)),
    ]


def fall(staged: Stage) -> Fall:
    """One rollout whose canary begins to fail. Raises StillServed, and NotReady where nothing happens."""
    staged.calm()
    number = staged.begin({}, "bench: it will break")
    staged.wait_served(CANARY, SERVED)
    time.sleep(random.random())  # noqa: S311  (no secret: at no steady place between two scrapes and ticks)
    broken_at = time.time()
    staged.break_arm(CANARY, error_rate=ERROR_RATE)
    wait_until(
        lambda: staged.system.rollout(number)["state"] in GOING,
        timeout=PATIENCE_SECONDS,
        what="a decision",
        every=POLL_SECONDS,
    )
    committed_at = time.time()
    rollout = staged.system.wait_rollout(number, "rolled_back", timeout=PATIENCE_SECONDS)
    return phases(rollout, broken_at, committed_at=committed_at, last_at=_last_at(staged))


def phases(rollout: Mapping[str, Any], broken_at: float, *, committed_at: float, last_at: float) -> Fall:
    """Of a rollout as the API gives it and what was seen from outside, in Unix time."""
    times = rollout["times"]
    return Fall(
        scraped=_at(times["evidence_at"]) - broken_at,
        judged=_at(times["decided_at"]) - broken_at,
        committed=committed_at - broken_at,
        acknowledged=_at(times["acked_at"]) - broken_at,
        obeyed=last_at - broken_at,
    )


def _last_at(staged: Stage) -> float:
    """When the canary got its last request, once the stable arm has got many more."""
    served = staged.served(CANARY)
    staged.wait_served(STABLE, SETTLED)
    if staged.served(CANARY) != served:
        raise StillServed("a proxy sent the canary a request after all were read back")
    return max(float(staged.system.counts(name)["last_at"]) for name in BACKENDS[CANARY])


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
