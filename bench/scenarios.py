"""Whole rollouts on real parts, each with a trouble of its own: the verdict, when it came, what it cost."""

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import troubles
from bench.figures import Figure, Target, figure
from bench.sizes import Size
from bench.stage import CANARY, Stage, stage
from bench.troubles import Run, Trouble

BENCH = "scenarios"
SERVED = 40
"""The canary has answered so many requests before its trouble begins: it is past the warm-up."""
LONGEST_SECONDS = 420.0
BAKE_SECONDS = 20
PLAN = {"negligible": 0.01}
"""The default steps; a canary without a failure earns one with some 300 requests."""
TIMED = {**PLAN, "metrics": [{"name": name} for name in ("first_attempt", "final", "total_latency")]}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A trouble and how a rollout that meets it must end."""

    name: str
    expected: str
    trouble: Trouble
    plan: Mapping[str, Any] = field(default_factory=lambda: PLAN)


@dataclass(frozen=True, slots=True)
class Trial:
    """One rollout. `seconds` to the verdict: from the fault where the canary fails, else from the start.

    `failed` and `unsent` are requests of all clients; `weight` is the percent that the canary held: the share
    of requests that it got while a part of the system was away, else its step at the verdict.
    """

    verdict: str
    seconds: float
    failed: int
    unsent: int
    weight: float


BROKEN = {"error_rate": 0.3}
TAIL = {"latency_ms": 500, "latency_share": 0.02}
HEALED = {"error_rate": 0.3, "first_attempt_only": True, "status": 503, "retry_after": 0}
SCENARIOS = (
    Scenario("30 % errors at once", "rolled_back", troubles.fault(**BROKEN)),
    Scenario("healthy", "promoted", troubles.nothing, {**PLAN, "bake": {"seconds": BAKE_SECONDS}}),
    Scenario("2 % errors", "rolled_back", troubles.fault(error_rate=0.02)),
    Scenario("+50 % latency", "rolled_back", troubles.fault(slowdown=1.5), TIMED),
    Scenario("2 % of requests +500 ms", "rolled_back", troubles.fault(**TAIL), TIMED),
    Scenario("errors that retries heal", "rolled_back", troubles.fault(**HEALED)),
    Scenario("errors from 25 % weight on", "rolled_back", troubles.from_weight(2500, **BROKEN)),
    Scenario("incident of both arms", "promoted", troubles.incident(**BROKEN)),
    Scenario("a proxy killed", "promoted", troubles.killed("edge-1")),
    Scenario("Prometheus away 20 s", "promoted", troubles.away("prometheus")),
    Scenario("Redis away 20 s", "promoted", troubles.away("redis")),
    Scenario("PostgreSQL away 20 s", "promoted", troubles.database_away),
    Scenario("ADS away 20 s", "promoted", troubles.away("xds")),
    Scenario("workers killed throughout", "promoted", troubles.worker_deaths),
)


def run(size: Size, folder: Path) -> list[Figure]:
    """Every scenario once, then all of them again: what the machine does meanwhile meets each."""
    chosen = SCENARIOS[: size.scenarios]
    seen: dict[str, list[Trial]] = {scenario.name: [] for scenario in chosen}
    with stage(folder, size.rps) as staged:
        for _ in range(size.trials):
            for scenario in chosen:
                trial = attempt(staged, scenario)
                sys.stderr.write(f"{scenario.name}: {trial}\n")
                seen[scenario.name].append(trial)
    sys.stdout.write(f"{table(seen)}\n\n")
    return [each for scenario in chosen for each in _figures(scenario, seen[scenario.name])]


def attempt(staged: Stage, scenario: Scenario) -> Trial:
    """One rollout through its trouble to its end. Raises NotReady where it does not come."""
    staged.calm()
    before = staged.clients()
    number = staged.begin(scenario.plan, f"bench: {scenario.name}")
    under_way = Run(staged, number, since=time.time())
    staged.wait_served(CANARY, SERVED)
    scenario.trouble(under_way)
    rollout = under_way.ended(within=LONGEST_SECONDS) or under_way.rollout()
    cost = staged.clients().since(before)
    return Trial(
        verdict=rollout["state"],
        seconds=_decided_at(rollout) - under_way.since,
        failed=cost.failed,
        unsent=cost.unsent,
        weight=_held(rollout, under_way.share),
    )


def _decided_at(rollout: Mapping[str, Any]) -> float:
    """Unix time: a rollback's decision; the end of a promotion, obeyed by every proxy; else now."""
    text = rollout["times"]["decided_at"] if rollout["state"] == "rolled_back" else rollout["finished_at"]
    return datetime.fromisoformat(text).timestamp() if text else time.time()


def _held(rollout: Mapping[str, Any], share: float | None) -> float:
    if share is not None:
        return 100 * share
    entered = [step["weight"] for step in rollout["ladder"] if step["began_at"]]
    return float(entered[-1] / 100)


def _figures(scenario: Scenario, trials: Sequence[Trial]) -> list[Figure]:
    others = sum(trial.verdict != scenario.expected for trial in trials)
    wanted = scenario.expected.replace("_", " ")
    return [
        figure(BENCH, f"{scenario.name}: not {wanted}", f"of {len(trials)}", [others], Target("at most", 0)),
        figure(BENCH, f"{scenario.name}: to the verdict", "s", [trial.seconds for trial in trials]),
        figure(BENCH, f"{scenario.name}: failed requests", "", [trial.failed for trial in trials]),
        figure(BENCH, f"{scenario.name}: weight held", "%", [trial.weight for trial in trials]),
    ]


def table(seen: Mapping[str, Sequence[Trial]]) -> str:
    """A line for each scenario, as docs/bench.md has them."""
    lines = [
        "| scenario | verdicts | s to the verdict | failed requests | not sent | weight held, % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, trials in seen.items():
        verdicts = ", ".join(trial.verdict.replace("_", " ") for trial in trials)
        figures = [
            _spread([getattr(trial, measured) for trial in trials], digits)
            for measured, digits in (("seconds", 1), ("failed", 0), ("unsent", 0), ("weight", 1))
        ]
        lines.append(f"| {' | '.join([name, verdicts, *figures])} |")
    return "\n".join(lines)


def _spread(measured: Sequence[float], digits: int) -> str:
    """The median, with the least and the greatest where they differ."""
    low, middle, high = (
        f"{value:.{digits}f}" for value in (min(measured), statistics.median(measured), max(measured))
    )
    return middle if low == high else f"{middle} ({low} to {high})"
