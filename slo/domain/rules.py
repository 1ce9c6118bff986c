"""The Prometheus rule file that objectives need: recorded counts, labelled, a constant number of rules.

Labels carry identity, so that a thousand objectives need the same rules as one; only another period adds
any. Kept are good or bad events and all events, never a ratio: a window divides once, and weighs by events.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import yaml

from slo.domain.objectives import EDGES_US
from slo.domain.windows import DEFAULT_PERIOD, LONG, MIDDLE, SHORT
from telemetry.domain.failure import ORIGINATORS, Originator, failed_requests
from telemetry.domain.promql import duration, selector, unequal

FILE = "sluice.yml"
# Every 15 s over a minute: a full outage is seen in a minute and a quarter.
BASE = timedelta(seconds=15)
MIDDLE_EVERY = timedelta(minutes=1)
BLOCK = timedelta(minutes=5)

REQUESTS, ERRORS, ADDED = "sluice:requests", "sluice:errors", "sluice:added_us_bucket"
COVERAGE, SCRAPED = "sluice:coverage:ratio", "sluice:scrape:timestamp"
FAMILIES = (REQUESTS, ERRORS, ADDED)

HEADER = """\
# Made by `python manage.py rules`; edits are lost.
# Ranges are a little short of their window: a sample exactly at the start of a range is inside it for
# Prometheus 2 and outside it for Prometheus 3.
"""

Rule = dict[str, Any]


def render(*, periods: Collection[timedelta] = (), base: timedelta = BASE) -> str:
    """The file as YAML, the same text for the same arguments.

    `periods` are those of the objectives; 30 days is always there. `base` is how often events are counted.
    """
    long = sorted({*LONG, DEFAULT_PERIOD, *periods})
    groups = [
        _group("sluice-events", base, [*_events(), *_windows(SHORT, base)]),
        _group("sluice-hours", max(base, MIDDLE_EVERY), _windows(MIDDLE, base)),
        _group("sluice-days", BLOCK, [*_blocks(base), *_days(long, base)]),
    ]
    text = yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000)
    return HEADER + str(text)


def _group(name: str, interval: timedelta, rules: list[Rule]) -> dict[str, Any]:
    return {"name": name, "interval": duration(interval), "rules": rules}


def _record(name: str, expression: str, **labels: str) -> Rule:
    rule: Rule = {"record": name, "expr": expression}
    return {**rule, "labels": labels} if labels else rule


def _events() -> list[Rule]:
    """Events a second, by tier and route.

    The order matters: rules of a group run in order at one timestamp.
    """
    edges = "|".join(map(str, EDGES_US))
    # A missing error series is 0, but only where there are requests.
    or_zero = f"or on (tier, route) (0 * {REQUESTS}:rate1m)"
    answered = 'envoy_sluice_rq{route!="",reason!="client_gone"}'
    # Envoy writes 3000, Prometheus 3 stores 3000.0.
    added = f'envoy_sluice_added_us_bucket{{route!="",attempts="1",le=~"({edges})(\\\\.0)?|\\\\+Inf"}}'
    return [
        _record(SCRAPED, 'max by (tier) (timestamp(up{tier!=""}) and up{tier!=""} == 1)'),
        _record(f"{REQUESTS}:rate1m", _rate("tier, route", answered)),
        *(
            _record(f"{ERRORS}:rate1m", f"{_rate('tier, route', *_failed(who))} {or_zero}", originator=who)
            for who in ORIGINATORS
        ),
        _record(f"{ADDED}:rate1m", _rate("tier, route, le", added)),
    ]


def _failed(originator: Originator) -> list[str]:
    """The counters of the failures that `originator` made."""
    return [selector("envoy_sluice_rq", unequal("route", ""), *way) for way in failed_requests(originator)]


def _rate(by: str, *counters: str) -> str:
    """The rates over a minute, summed: rate first and then the sum, or a restart would count twice.

    A series that is in two of `counters` counts once.
    """
    return f"sum by ({by}) ({' or '.join(map(_grown, counters))})"


def _grown(counter: str) -> str:
    """Events a second over the last minute, by series.

    Envoy makes a counter at its first event, so it is born at 1 and not at 0, and `rate` would never see
    that event: a rare failure, whose labels are new each time, would never be counted. A counter that was
    not there a minute ago counts with its whole value, if its proxy was scraped then. Where it was not, as
    after a start of Prometheus, nobody knows when those events happened, and only growth counts.
    """
    rate, before = f"rate({counter}[1m])", f"{counter} offset 1m"
    scraped_before = '(up{tier!=""} offset 1m == 1)'
    return (
        f"(({rate} and {before})"
        f" or ({rate} unless on (tier, proxy) {scraped_before})"
        f" or (({counter} unless {before}) / 60 and on (tier, proxy) {scraped_before}))"
    )


def _just_under(window: timedelta, base: timedelta) -> str:
    """A range that holds exactly the samples of one window, one each `base`."""
    return duration(window - min(timedelta(seconds=1), base / 2))


def _windows(windows: tuple[timedelta, ...], base: timedelta) -> list[Rule]:
    """Events of each window: a rate of every `base` seconds, times `base`."""
    rules = []
    for window in windows:
        name, within = duration(window), _just_under(window, base)
        rules += [
            _record(
                f"{family}:count",
                f"{base.total_seconds():g} * sum_over_time({family}:rate1m[{within}])",
                window=name,
            )
            for family in FAMILIES
        ]
        rules.append(_coverage(window, base))
    return rules


def _blocks(base: timedelta) -> list[Rule]:
    within = _just_under(BLOCK, base)
    return [
        _record(f"{family}:block", f"{base.total_seconds():g} * sum_over_time({family}:rate1m[{within}])")
        for family in FAMILIES
    ]


def _days(windows: list[timedelta], base: timedelta) -> list[Rule]:
    """Long windows add up 5-minute blocks: 8,640 points in 30 days, where a subquery would read 172,800."""
    rules = []
    for window in windows:
        name, within = duration(window), _just_under(window, base)
        rules += [
            _record(f"{family}:count", f"sum_over_time({family}:block[{within}])", window=name)
            for family in FAMILIES
        ]
        rules.append(_coverage(window, base))
    return rules


def _coverage(window: timedelta, base: timedelta) -> Rule:
    """The share of the window in which the tier was scraped."""
    within = _just_under(window, base)
    factor = f"{base.total_seconds():g} / {window.total_seconds():g}"
    return _record(COVERAGE, f"count_over_time({SCRAPED}[{within}]) * {factor}", window=duration(window))
