"""Added latency that creeps: what is seen, what is not, and that nobody is woken for a usual week."""

import math
import random
from collections.abc import Callable, Iterator
from statistics import median

import pytest

from slo.domain import creep
from slo.domain.creep import BASELINES, WINDOWS, Creep, Past

HOUR, SIX = WINDOWS
DAY = 24 * 12
"""Looks a day: one each five minutes."""


def past(hour: float, six: float, usual: float = 1000, requests: float = 1e6, spread: float = 0) -> Past:
    """Now against weeks whose days were usual, give or take `spread`."""
    days = [day for baseline in BASELINES.values() for day in baseline]
    before = {
        (window, day): usual + spread * ((number % 3) - 1)
        for window in WINDOWS
        for number, day in enumerate(days)
    }
    return Past({HOUR: hour, SIX: six}, before, requests)


def verdict(of: Past) -> str:
    return creep.judge("edge", of).verdict


def test_a_quarter_more_in_both_windows_creeps() -> None:
    assert verdict(past(1251, 1251)) == "creeps"
    assert verdict(past(1250, 1250)) == "between"
    assert verdict(past(1199, 1300)) == "clear"


@pytest.mark.parametrize(("hour", "six"), [(5000, 1100), (1100, 5000)])
def test_one_window_alone_does_not_creep(hour: float, six: float) -> None:
    assert verdict(past(hour, six)) == "clear"


def test_a_tenth_of_a_millisecond_is_the_least_that_matters() -> None:
    assert verdict(past(299, 299, usual=200)) == "between"
    assert verdict(past(301, 301, usual=200)) == "creeps"


def test_where_days_differ_much_more_is_needed() -> None:
    # The median deviation of days that are 100 apart is 100: 593 more than usual.
    assert verdict(past(1590, 1590, spread=100)) == "between"
    assert verdict(past(1600, 1600, spread=100)) == "creeps"


def test_one_bad_day_in_the_week_before_changes_nothing() -> None:
    of = past(1251, 1251)
    bad = {**of.before, (HOUR, 3): 90_000.0, (SIX, 3): 90_000.0}

    assert verdict(Past(of.now, bad, of.requests)) == "creeps"


def test_few_requests_or_days_are_unknown_and_neither_start_nor_end_anything() -> None:
    assert verdict(past(9000, 9000, requests=9_999)) == "unknown"
    young = {key: value for key, value in past(0, 0).before.items() if key[1] <= 3}
    assert verdict(Past({HOUR: 9000, SIX: 9000}, young, 1e6)) == "unknown"


def test_it_is_told_against_the_week_that_says_most() -> None:
    of = past(1100, 1100)
    long_ago = {key: 700.0 if key[1] > 20 else value for key, value in of.before.items()}

    found = creep.judge("edge", Past(of.now, long_ago, of.requests))

    assert (found.verdict, found.against) == ("creeps", "three weeks ago")
    assert [(each.usual, each.days) for each in found.windows] == [(700, 7), (700, 7)]


def simulated(
    seed: int, days: int, rise: Callable[[float], float], noise: float = 0.06
) -> Iterator[tuple[float, Creep]]:
    """A tier's looks, each 5 minutes: the p99 follows the hour and the day of the week, with noise that lasts
    for hours, and is three times as high for an hour of every day. `rise` is a factor by the day.
    """
    hourly = _hourly(random.Random(seed), days, rise, noise)
    lasting = [median(hourly[max(0, step - 71) : step + 1]) for step in range(len(hourly))]
    known = dict(zip(WINDOWS, (hourly, lasting), strict=True))
    back = [day for baseline in BASELINES.values() for day in baseline]
    for step in range(28 * DAY, days * DAY):
        before = {(window, ago): known[window][step - ago * DAY] for window in WINDOWS for ago in back}
        now = {window: known[window][step] for window in WINDOWS}
        yield step / DAY, creep.judge("edge", Past(now, before, 1e6))


def _hourly(chance: random.Random, days: int, rise: Callable[[float], float], noise: float) -> list[float]:
    """The p99 of the last hour, each 5 minutes, in microseconds."""
    sums, drift = [0.0], 0.0
    for step in range(days * DAY):
        day = step / DAY
        # A standard deviation of `noise`, most of which is gone after four hours.
        drift = 0.98 * drift + chance.gauss(0, noise * math.sqrt(1 - 0.98**2))
        shape = (1 + 0.3 * math.sin(2 * math.pi * day)) * (0.8 if int(day) % 7 >= 5 else 1)
        start = 100 + 7 * (int(day) % 9)
        burst = 3 if start <= step % DAY < start + 12 else 1
        sums.append(sums[-1] + 900 * shape * burst * math.exp(drift) * rise(day))
    return [(sums[step + 1] - sums[max(0, step - 11)]) / min(12, step + 1) for step in range(days * DAY)]


@pytest.mark.parametrize("seed", range(5))
def test_a_usual_week_with_noise_and_a_burst_a_day_tells_nobody(seed: int) -> None:
    told = [day for day, found in simulated(seed, 35, lambda day: 1) if found.verdict == "creeps"]

    assert told == []


@pytest.mark.parametrize("seed", range(5))
def test_half_as_much_again_is_told_within_a_day_and_over_when_it_is_over(seed: int) -> None:
    looks = list(simulated(seed, 35, lambda day: 1.6 if 30 <= day < 32 else 1))

    told = [day for day, found in looks if found.verdict == "creeps"]
    assert 30 < min(told) < 31
    assert max(told) < 32.3
    assert {found.verdict for day, found in looks if day > 32.5} == {"clear"}


@pytest.mark.parametrize("seed", range(5))
def test_two_percent_a_day_are_told_though_the_week_before_rises_along(seed: int) -> None:
    looks = list(simulated(seed, 49, lambda day: 1.02 ** max(0.0, day - 28)))

    told = [(day, found.against) for day, found in looks if found.verdict == "creeps"]
    assert told, "never told"
    assert min(told)[0] - 28 < 20
    assert {against for _, against in told} >= {"three weeks ago"}
