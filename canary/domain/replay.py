"""A rollout judged again from what was kept of its ticks: the same verdict at each of them, with the same E.

It uses the judge itself, from the first tick beside which evidence was kept. What differs from what was found
at the time is named, tick by tick: a changed judge, another numerical library, or a row that was changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

from canary.domain import family, kept
from canary.domain.family import Family, Judgement
from canary.domain.judge import Limits
from canary.domain.metrics import DEFAULT, Metric

# Another build of numpy may round the last digits otherwise.
CLOSE = 1e-9
# So many differences are told one by one; all are counted.
TOLD = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """One tick as it was kept (see `kept`); `at` in unix seconds.

    earns: whether it could earn the step. lap: how often, before it, what earns a step was begun anew. kind:
    the verdict that was found. before: the evidence before it, where it was kept, as `family.dump` gives it.
    """

    at: float
    tick: Mapping[str, Any]
    earns: bool
    lap: int
    kind: str
    figures: Mapping[str, Any]
    before: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that came out otherwise, such as `first_attempt.e_fail`."""

    at: float
    figure: str
    kept: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """What judging again came to. `passes`: when (unix seconds) a step was earned, or could have been.

    `judgement` is that of the last tick, and `figures` are its figures; `differing` counts all differences.
    """

    ticks: int
    since: float
    until: float
    judgement: Judgement
    figures: Mapping[str, Any]
    passes: tuple[float, ...]
    evidence: Family
    differing: int
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        return not self.differing


class NothingToReplay(LookupError):
    """There is no tick from which judging again could begin."""


def replay(
    rows: Sequence[Kept],
    limits: Limits,
    *,
    canary: str,
    control: str,
    metrics: Sequence[Metric] = DEFAULT,
) -> Replayed:
    """Judge the ticks (in the order of time) again. Raises NothingToReplay."""
    rows = _replayable(rows)
    weighed = family.load(rows[0].before or {})
    names = {"canary": canary, "control": control}
    lap, passes = rows[0].lap, []
    differences: list[Difference] = []
    for row in rows:
        if row.lap != lap:
            weighed, lap = family.begin_step(weighed), row.lap
        tick = kept.load_tick(row.at, row.tick)
        weighed = family.observe(weighed, tick, limits, metrics=metrics, earns=row.earns)
        judgement = family.decide(weighed, limits, **names, tick=tick, metrics=metrics)
        figures = kept.figures(weighed, tick, limits, metrics)
        if judgement.kind == "pass":
            passes.append(row.at)
        differences += _differences(row, judgement, figures)
    return Replayed(
        ticks=len(rows),
        since=rows[0].at,
        until=rows[-1].at,
        judgement=judgement,
        figures=figures,
        passes=tuple(passes),
        evidence=weighed,
        differing=len(differences),
        differences=tuple(differences[:TOLD]),
    )


def _replayable(rows: Sequence[Kept]) -> Sequence[Kept]:
    """From the first tick on beside which evidence was kept."""
    for number, row in enumerate(rows):
        if row.before is not None:
            return rows[number:]
    raise NothingToReplay("no tick of it is kept from which it could be judged again")


def _differences(row: Kept, judgement: Judgement, figures: Mapping[str, Any]) -> Iterator[Difference]:
    if row.kind != judgement.kind:
        yield Difference(row.at, "verdict", row.kind, judgement.kind)
    for metric in {**row.figures, **figures}:
        before, again = row.figures.get(metric, {}), figures.get(metric, {})
        for name in {**before, **again}:
            if not _alike(before.get(name), again.get(name)):
                yield Difference(row.at, f"{metric}.{name}", before.get(name), again.get(name))


def _alike(kept: Any, replayed: Any) -> bool:
    # PostgreSQL writes a JSON number out in full, so that an e-value of 1e+34 comes back as a whole number.
    if isinstance(kept, int | float) and isinstance(replayed, float):
        return isclose(kept, replayed, rel_tol=CLOSE)
    return bool(kept == replayed)
