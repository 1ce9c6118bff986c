"""The metrics port in memory, for tests: it holds series and answers selectors as Prometheus does.

What is not a plain selector is answered as registered, and an unregistered question fails loudly:
evaluating PromQL twice would be two truths. `tests/telemetry/test_contract.py` proves the likeness.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from telemetry.domain import promql as text
from telemetry.domain.errors import BadQuery, MetricsError
from telemetry.domain.loaded import LoadedRule
from telemetry.domain.series import Cost, Sample, Series

LOOKBACK = timedelta(minutes=5)
Answer = Iterable[tuple[Mapping[str, str], float]]

_SELECTOR = re.compile(r"\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(?P<inside>.*)\})?\s*\Z", re.DOTALL)
_MATCHER = re.compile(
    r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)', re.DOTALL
)
_SPACE = re.compile(r"\s+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Unanswered(LookupError):
    """A test asked for PromQL that is not a plain selector and has no registered answer."""


class InMemoryMetrics:
    """Series by labels, answers by PromQL, and a switch to be broken."""

    def __init__(self) -> None:
        self._series: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        self._answers: dict[str, Callable[[datetime], Answer]] = {}
        self._otherwise: Callable[[datetime], Answer] | None = None
        self._error: MetricsError | None = None
        self.asked: list[str] = []
        self.kept: timedelta | None = timedelta(days=40)
        self.loaded: tuple[LoadedRule, ...] = ()

    def add(self, metric: str, labels: Mapping[str, str], points: Iterable[tuple[datetime, float]]) -> None:
        """Hold samples of one series, as if scraped at those times."""
        key = tuple(sorted({"__name__": metric, **labels}.items()))
        held = self._series.setdefault(key, {})
        held.update({round(at.timestamp(), 3): value for at, value in points})

    def answer(self, promql: str, rows: Answer | Callable[[datetime], Answer]) -> None:
        """Register what exactly this PromQL answers: (labels, value) rows, or a function of the time."""
        if callable(rows):
            self._answers[promql] = rows
        else:
            fixed = tuple(rows)
            self._answers[promql] = lambda at: fixed

    def otherwise(self, rows: Answer) -> None:
        """What to answer to composite PromQL that nobody registered, such as `()` for no data."""
        fixed = tuple(rows)
        self._otherwise = lambda at: fixed

    def fail(self, error: MetricsError | None) -> None:
        """Raise this from every method, until called with None."""
        self._error = error

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        """See `telemetry.ports.Metrics`."""
        self._note(promql)
        moment = text.moment(at.timestamp())
        answer = self._answers.get(promql)
        if answer is None and not _SELECTOR.match(promql):
            answer = self._otherwise
        if answer:
            return tuple(Sample(labels=labels, value=value, at=moment) for labels, value in answer(at))
        found = self._within(promql, window=LOOKBACK, at=at)
        return tuple(Sample(labels=s.labels, value=s.points[-1][1], at=moment) for s in found)

    def matrix(self, promql: str, *, start: datetime, end: datetime, step: timedelta) -> tuple[Series, ...]:
        """See `telemetry.ports.Metrics`."""
        self._note(promql)
        gathered: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        at = start
        while at <= end:
            for sample in self.vector(promql, at=at):
                key = tuple(sorted(sample.labels.items()))
                gathered.setdefault(key, []).append((round(at.timestamp(), 3), sample.value))
            at += step
        return tuple(Series(labels=dict(key), points=tuple(points)) for key, points in gathered.items())

    def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        """See `telemetry.ports.Metrics`."""
        self._note(selector)
        return self._within(selector, window=window, at=at)

    def cost(self, promql: str, *, at: datetime) -> Cost:
        """See `telemetry.ports.Metrics`. A sample for each of the answer, in no time."""
        return Cost(samples=len(self.vector(promql, at=at)), seconds=0.0)

    def retention(self) -> timedelta | None:
        """See `telemetry.ports.Metrics`."""
        self._note("retention")
        return self.kept

    def rules(self) -> tuple[LoadedRule, ...]:
        """See `telemetry.ports.Metrics`."""
        self._note("rules")
        return self.loaded

    def formatted(self, promql: str) -> str:
        """See `telemetry.ports.Metrics`. Only white space is known to mean nothing."""
        self._note(promql)
        if promql.count("(") != promql.count(")"):
            raise BadQuery(f"cannot be parsed: {promql}")
        return _SPACE.sub("", promql)

    def _note(self, promql: str) -> None:
        self.asked.append(promql)
        if self._error:
            raise self._error

    def _within(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        wanted = _parse(selector)
        first, last = round((at - window).timestamp(), 3), round(at.timestamp(), 3)
        answer = []
        for key, held in sorted(self._series.items()):
            labels = dict(key)
            points = tuple(point for point in sorted(held.items()) if first < point[0] <= last)
            if points and all(check(labels.get(label, "")) for label, check in wanted):
                answer.append(Series(labels=labels, points=points))
        return tuple(answer)


def _parse(selector: str) -> list[tuple[str, Callable[[str], bool]]]:
    shape = _SELECTOR.match(selector)
    if not shape:
        if selector.count("(") != selector.count(")") or selector.count("{") != selector.count("}"):
            raise BadQuery(f"cannot be parsed: {selector}")
        raise Unanswered(selector)
    wanted: list[tuple[str, Callable[[str], bool]]] = []
    if shape["name"]:
        wanted.append(("__name__", shape["name"].__eq__))
    inside, position = shape["inside"] or "", 0
    while position < len(inside.rstrip()):
        matcher = _MATCHER.match(inside, position)
        if not matcher:
            raise BadQuery(f"cannot be parsed: {selector}")
        wanted.append((matcher[1], _check(matcher[2], _unescape(matcher[3]))))
        position = matcher.end()
    if not wanted:
        raise BadQuery("a selector needs a name or a matcher")
    return wanted


def _unescape(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], value)


def _check(operator: str, value: str) -> Callable[[str], bool]:
    pattern = re.compile(value, re.DOTALL) if "~" in operator else None

    def check(actual: str) -> bool:
        equal = bool(pattern.fullmatch(actual)) if pattern else actual == value
        return equal != operator.startswith("!")

    return check
