"""From raw scrapes to ticks: a pure fold over counters exactly as Prometheus stored them.

A tick is one scrape interval of all proxies. Its counts are differences between a proxy's scrape and the last
one before it, so a verdict can be replayed from Prometheus at any time. A proxy whose scrape is missing says
nothing in that tick, about neither arm, and its next scrape covers the interval that was missed: each proxy's
arms are compared with one another, so one that comes and goes neither biases nor blinds the rest. A proxy
whose counter went down says nothing either.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import ceil, floor
from statistics import median

from canary.domain.family import FamilyTick
from canary.domain.judge import Tick
from canary.domain.odds import Cell
from canary.domain.tally import UP, Tally, edges_of
from telemetry.domain.series import Series

# How long after the end of an interval a scrape may still arrive, in intervals.
GRACE = 1.5
# How far back a proxy's last scrape may lie, in seconds. A longer gap begins afresh: the world has changed.
REACH = 30.0
# No scrape may fall this near to the boundary of two intervals, or jitter would move it across.
MARGIN = 0.1

Key = tuple[tuple[str, str], ...]
Snapshot = dict[Key, float]


@dataclass(frozen=True, slots=True)
class Clock:
    """Where one interval ends and the next begins: unix seconds `phase + k * interval`."""

    interval: float
    phase: float

    def slot(self, at: float) -> int:
        return ceil((at - self.phase) / self.interval - 1e-9)

    def end(self, slot: int) -> float:
        return self.phase + slot * self.interval

    def next_slot(self, after: float) -> int:
        """The first interval that begins at `after` or later: one that is half folded is left out."""
        return ceil((after - self.phase) / self.interval - 1e-3) + 1

    def fits(self, offsets: Iterable[float], interval: float) -> bool:
        return abs(interval - self.interval) < MARGIN * self.interval and all(
            MARGIN <= ((at - self.phase) / self.interval) % 1.0 <= 1.0 - MARGIN for at in offsets
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """An interval in which a proxy (or, without any, the tier) says nothing, and why."""

    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Folded:
    """New ticks in the order of time, what was dropped, and up to when all is folded (unix seconds)."""

    ticks: tuple[FamilyTick, ...]
    dropped: tuple[Dropped, ...]
    until: float | None
    clock: Clock | None


def fold(
    series: Sequence[Series],
    *,
    canary: str,
    control: Collection[str],
    after: float | None,
    now: float,
    clock: Clock | None = None,
) -> Folded:
    """The ticks that ended after `after` and are settled by `now`.

    `series` are raw samples of `tally.queries` with their labels, `proxy` among them, reaching at least REACH
    and one interval back before `after`. UP tells of a scrape at which no counter existed yet.
    """
    clock = _clock(series, clock)
    if clock is None:
        return Folded((), (), after, None)
    slots = _slots(series, clock)
    new = partial(Tally, canary, control, edges_of([one.labels for one in series]))
    first = min(slots) + 1 if after is None else clock.next_slot(after)
    ticks: list[FamilyTick] = []
    dropped: list[Dropped] = []
    until = after
    for slot in range(first, clock.slot(now)):
        before, present = _before(slots, slot, clock), slots.get(slot, {})
        if not before.keys() <= present.keys() and now < clock.end(slot) + GRACE * clock.interval:
            break
        until = clock.end(slot)
        tick, lacking = _tick(before, present, new=new, at=until)
        dropped += [Dropped(until, why) for why in lacking]
        if tick is not None:
            ticks.append(tick)
    return Folded(tuple(ticks), tuple(dropped), until, clock)


def _clock(series: Sequence[Series], clock: Clock | None) -> Clock | None:
    """The given clock while it fits the scrapes, otherwise one whose boundary is far from every scrape."""
    times: dict[str, set[float]] = {}
    for one in series:
        times.setdefault(one.labels.get("proxy", ""), set()).update(at for at, _ in one.points)
    gaps = [b - a for seen in times.values() for a, b in pairwise(sorted(seen))]
    if not gaps:
        return clock
    interval = round(median(gaps), 1) or median(gaps)
    latest = [max(seen) for seen in times.values()]
    if clock is not None and clock.fits(latest, interval):
        return clock
    offsets = sorted(at % interval for at in latest)
    widest = max((after - before, before) for before, after in pairwise([*offsets, offsets[0] + interval]))
    return Clock(interval, (widest[1] + widest[0] / 2) % interval)


def _slots(series: Sequence[Series], clock: Clock) -> dict[int, dict[str, Snapshot]]:
    """By interval and proxy: each counter's last value. A proxy is present when it was scraped at all."""
    slots: dict[int, dict[str, Snapshot]] = {}
    for one in series:
        proxy = one.labels.get("proxy", "")
        counts = one.labels.get("__name__") != UP
        key = tuple(sorted(one.labels.items()))
        for at, value in one.points:
            if not counts and value != 1:
                continue
            snapshot = slots.setdefault(clock.slot(at), {}).setdefault(proxy, {})
            if counts:
                snapshot[key] = value
    return slots


def _before(slots: Mapping[int, dict[str, Snapshot]], slot: int, clock: Clock) -> dict[str, Snapshot]:
    """Each proxy's last scrape before this interval, within REACH."""
    found: dict[str, Snapshot] = {}
    for earlier in range(slot - max(1, int(REACH / clock.interval)), slot):
        found.update(slots.get(earlier, {}))
    return found


def _tick(
    before: Mapping[str, Snapshot], present: Mapping[str, Snapshot], *, new: Callable[[], Tally], at: float
) -> tuple[FamilyTick | None, list[str]]:
    """The tick of the proxies that can say something, and what the others lack; no tick where none can."""
    cells: dict[str, dict[str, Cell]] = {}
    lacking = [f"no complete scrape of {proxy}" for proxy in sorted(before.keys() - present.keys())]
    for proxy, snapshot in sorted(present.items()):
        tally = _grown(before[proxy], snapshot, new()) if proxy in before else None
        if tally is None:
            lacking.append(
                f"a counter of {proxy} was reset" if proxy in before else f"no scrape before of {proxy}"
            )
            continue
        for part, cell in tally.cells().items():
            cells.setdefault(part, {})[proxy] = cell
    if not cells:
        return None, lacking or ["no complete scrape of any proxy"]
    return {part: Tick(at, per_proxy) for part, per_proxy in cells.items()}, lacking


def _grown(before: Snapshot, snapshot: Snapshot, tally: Tally) -> Tally | None:
    """What was counted between two scrapes of one proxy; None where a counter went down."""
    for key in snapshot.keys() | before.keys():
        # A counter that is absent at a scrape has not been born yet: it is 0.
        grown = snapshot.get(key, 0.0) - before.get(key, 0.0)
        if grown < 0:
            return None
        tally.add(dict(key), floor(grown + 0.5))
    return tally
