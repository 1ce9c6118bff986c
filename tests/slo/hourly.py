"""A Prometheus in memory that answers how many events there were in any span, of steady traffic with gaps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slo.domain.indicators import EVENTS, indicator, sli
from slo.domain.objectives import Objective
from slo.domain.spans import Span
from telemetry.domain import promql as text
from telemetry.domain.series import Sample
from telemetry.memory import InMemoryMetrics

_WINDOW = re.compile(r'"window", "(\w+)"')


@dataclass(frozen=True)
class Stretch:
    """Events a second from one time to another, and the share of them that backends failed."""

    span: Span
    rate: float = 1.0
    failing: float = 0.0


class Hourly(InMemoryMetrics):
    """Every objective has the same traffic; outside its stretches nothing was scraped."""

    def __init__(self, of: Sequence[Objective], *stretches: Stretch) -> None:
        super().__init__()
        self.of, self.stretches = list(of), list(stretches)

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        window = _WINDOW.search(promql)
        if window is None:
            return super().vector(promql, at=at)
        self._note(promql)
        length = _length(window[1])
        asked = Span(at - length, at)
        found = [
            (each, part.length.total_seconds())
            for each in self.stretches
            if (part := each.span.within(asked))
        ]
        if not found:
            return ()
        if EVENTS in promql:
            return self._all(sum(each.rate * s for each, s in found), window[1], at)
        if "sli_bad" in promql:
            bad = sum(each.rate * each.failing * s for each, s in found)
            return self._all(bad, window[1], at, made=True)
        share = sum(s for _, s in found) / length.total_seconds()
        return (
            Sample(labels={"tier": "edge", "window": window[1]}, value=share, at=text.moment(at.timestamp())),
        )

    def _all(self, value: float, window: str, at: datetime, *, made: bool = False) -> tuple[Sample, ...]:
        moment, found = text.moment(at.timestamp()), []
        for one in self.of:
            labels = {
                "sli": sli(one),
                "tier": "edge",
                "route": one.route,
                "upstream": one.upstream,
                "window": window,
            }
            for who in indicator(one).bad if made else [""]:
                more = {"originator": who} if made else {}
                counted = value if who in ("", "backend") else 0.0
                found.append(Sample(labels={**labels, **more}, value=counted, at=moment))
        return tuple(found)


def _length(window: str) -> timedelta:
    if window.endswith("ms"):
        return timedelta(milliseconds=int(window[:-2]))
    found = text.span(window)
    assert found is not None
    return found
