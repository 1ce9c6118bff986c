"""The Prometheus rule file that objectives need: recorded counts, labelled, a constant number of rules.

Labels carry identity, so that a thousand objectives need the same rules as one; only another kind, edge,
bound or period adds any, and PromQL of a person's own. Kept are bad events and all events, never a ratio: a
window divides once, and weighs by events.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import yaml

from slo.domain import creep, rates
from slo.domain.alert_rules import ALLOWED, COVERAGE, LAST_SCRAPE, SCRAPED, alerts, telling
from slo.domain.indicators import BAD, EVENTS, Indicator, indicator, needed, place, sli
from slo.domain.objectives import Objective, rolling
from slo.domain.windows import (
    DEFAULT_PERIOD,
    LONG,
    MIDDLE,
    PAGE_FAST,
    PAGE_SLOW,
    SHORT,
    TICKET_FAST,
    TICKET_SLOW,
)
from telemetry.domain.promql import duration, literal, matching, selector

FILE = "sluice.yml"
# Twice in the minute that the rates are over: a full outage pages in a minute and a half. Every 15 s it would
# be 15 s less, for twice the reading of every counter, which is most of what all rules cost.
BASE = timedelta(seconds=30)
MIDDLE_EVERY = timedelta(minutes=1)
BLOCK = timedelta(minutes=5)
# What the fast page compares is as fresh as what it is made of; other alerts are asked each minute at most.
FAST = (PAGE_FAST.short, PAGE_FAST.long)
SLOWER = tuple(window for window in (*SHORT, *MIDDLE) if window not in FAST)

FAMILIES = (EVENTS, BAD)

HEADER = """\
# Made by `python manage.py rules`; edits are lost.
# Ranges are a little short of their window: a sample exactly at the start of a range is inside it for
# Prometheus 2 and outside it for Prometheus 3.
"""

Rule = dict[str, Any]


def render(objectives: Iterable[Objective] = (), *, base: timedelta = BASE, site: str = "") -> str:
    """The file as YAML, the same text for the same objectives in any order.

    `base` is how often events are counted; `site` is Sluice's address, which alerts lead to. An alert stands
    in the group of the windows that it compares: rules of a group run in order at one timestamp.
    """
    declared = list(objectives)
    periods = sorted({DEFAULT_PERIOD, *(one.period for one in declared)})
    fast, slow, tickets = (
        alerts(tiers, periods, site=site)
        for tiers in ((PAGE_FAST,), (PAGE_SLOW,), (TICKET_FAST, TICKET_SLOW))
    )
    long = sorted({*LONG, DEFAULT_PERIOD, *(span for one in declared for span in rolling(one))})
    groups = [
        _group("sluice-events", base, [*_events(declared), *_windows(FAST, base), *fast]),
        _group("sluice-births", rates.BIRTHS, _births(declared)),
        _group(
            "sluice-hours",
            max(base, MIDDLE_EVERY),
            [*_windows(SLOWER, base), *_allowed(declared), *slow, telling()],
        ),
        _group("sluice-days", BLOCK, [*_blocks(base), *_days(long, base), *_latency(), *tickets]),
    ]
    text = yaml.safe_dump(
        {"groups": [each for each in groups if each["rules"]]}, sort_keys=False, width=100_000
    )
    return HEADER + str(text)


def _group(name: str, interval: timedelta, rules: list[Rule]) -> dict[str, Any]:
    return {"name": name, "interval": duration(interval), "rules": rules}


def _record(name: str, expression: str, **labels: str) -> Rule:
    rule: Rule = {"record": name, "expr": expression}
    return {**rule, "labels": labels} if labels else rule


def _events(objectives: Sequence[Objective]) -> list[Rule]:
    """Events a second of each indicator that an objective needs.

    The order matters: rules of a group run in order at one timestamp.
    """
    scraped = _record(SCRAPED, LAST_SCRAPE)
    pairs = [rule for found in needed(objectives) for rule in _pair(found)]
    return [scraped, *_sources(pairs), *pairs]


def _sources(made: Iterable[Rule]) -> list[Rule]:
    """The rates that the indicators' rules are made of."""
    return [_record(source.recorded, source.rates) for source in _needed(made)]


def _births(objectives: Sequence[Objective]) -> list[Rule]:
    """In a group of their own: they are worth a reading of the counters only now and then."""
    pairs = (rule for found in needed(objectives) for rule in _pair(found))
    return [_record(source.recorded, source.births, **rates.BORN) for source in _needed(pairs)]


def _needed(made: Iterable[Rule]) -> list[rates.Source]:
    return rates.needed(rule["expr"] for rule in made)


def _latency() -> list[Rule]:
    return [_record(name, expression, **labels) for name, expression, labels in creep.rules()]


def _pair(found: Indicator) -> list[Rule]:
    labels = found.recorded
    events = selector(f"{EVENTS}:rate1m", **labels)
    by = "" if found.only else ", ".join(found.labels)
    return [
        _record(f"{EVENTS}:rate1m", found.events, **labels),
        # A missing series of bad events is 0, but only where there are events.
        *(
            _record(f"{BAD}:rate1m", f"{bad} or on ({by}) (0 * {events})", **labels, originator=made)
            for made, bad in found.bad.items()
        ),
    ]


def _allowed(objectives: Iterable[Objective]) -> list[Rule]:
    """The share of events that may be bad, as constants: a Sluice that is dead takes no threshold along.

    One rule for all that promise the same, so that their number is that of the distinct promises.
    """
    alike: dict[tuple[str, ...], list[Objective]] = defaultdict(list)
    for one in objectives:
        promise = (f"{one.target.normalize():f}", duration(one.period), one.severity)
        alike[sli(one), place(one), *promise].append(one)
    return [_constant(alike[key]) for key in sorted(alike)]


def _constant(alike: Sequence[Objective]) -> Rule:
    one, found = alike[0], indicator(alike[0])
    promise = {
        "target": f"{one.target.normalize():f}",
        "period": duration(one.period),
        "severity": one.severity,
    }
    places = " or ".join(_places(alike, sli=found.sli, place=found.place))
    known = f"group by (tier, route, upstream) ({places})"
    labels = {"sli": found.sli, "place": found.place, **promise}
    return _record(ALLOWED, f"{one.allowed.normalize():f} * {known}", **labels)


def _places(alike: Sequence[Objective], **labels: str) -> Iterator[str]:
    """The events of these objectives' places: a selector for each tier, of all tiers at once one."""
    names: dict[str, set[str]] = defaultdict(set)
    for one in alike:
        where = place(one)
        names["" if where == "tier" else one.tier].add(getattr(one, where))
    for tier, found in sorted(names.items()):
        within = {"tier": tier} if tier else {}
        one_of = matching(labels["place"], "|".join(map(literal, sorted(found))))
        yield selector(f"{EVENTS}:rate1m", one_of, **labels, **within)


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
