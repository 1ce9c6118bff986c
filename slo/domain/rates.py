"""The first layer of the rules: the proxies' counters of requests and attempts as rates, without the proxy.

Every indicator that counts requests is made of these, so that the counters themselves, a series for each
proxy, are read once each time and not once for each indicator.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from telemetry.domain import catalogue
from telemetry.domain.failure import ORIGINATORS, Matchers, failed_attempts, failed_requests
from telemetry.domain.promql import duration, selector, unequal

RANGE = "1m"
BIRTHS = timedelta(minutes=2)
"""How often births are looked for: no longer, since a sample is taken for the present for five minutes."""
REQUESTS, ATTEMPTS = "sluice:rq:rate1m", "sluice:attempt:rate1m"
BORN = {"born": "yes"}
"""The label of what a counter was born with, so that two rules of one name differ."""
_ROUTED = unequal("route", "")


@dataclass(frozen=True, slots=True)
class Source:
    """A counter, the labels that are kept of it, and which of its series count what is rare."""

    recorded: str
    counter: str
    labels: str
    rare: tuple[Matchers, ...]

    @property
    def rates(self) -> str:
        """PromQL of events a second."""
        return f"sum by ({self.labels}) (rate({selector(self.counter, _ROUTED)}[{RANGE}]))"

    @property
    def births(self) -> str:
        """PromQL of what rates do not see, to be evaluated once each BIRTHS: see `_born`."""
        born = " or ".join(_born(selector(self.counter, _ROUTED, *way)) for way in self.rare)
        return f"sum by ({self.labels}) ({born})"


SOURCES = (
    Source(
        REQUESTS,
        catalogue.REQUESTS,
        "tier, route, arm, reason, code, grpc",
        tuple(way for who in ORIGINATORS for way in failed_requests(who)),
    ),
    Source(
        ATTEMPTS,
        catalogue.ATTEMPTS,
        "tier, route, arm, attempt, code, grpc, flags",
        (*failed_attempts(), (unequal("attempt", "1"),)),
    ),
)


def needed(expressions: Iterable[str]) -> list[Source]:
    """The sources that these are made of."""
    told = list(expressions)
    return [source for source in SOURCES if any(source.recorded in each for each in told)]


def _born(counter: str) -> str:
    """What a counter counted before it was first seen, in events a second of the two minutes after that.

    Envoy makes a counter at its first event, so it is born at 1 and not at 0, and `rate` never sees that
    event: a rare failure, whose labels are new each time, would never be counted. So a counter that was not
    there two minutes ago counts with its first value, if its proxy was scraped then. Where it was not, as
    after a start of Prometheus, nobody knows when those events happened. Of what is not rare, one event in
    many is not worth reading every series three times.

    Evaluated once in that time, a birth is in one evaluation and stays in the rates until the next: it counts
    once. As often as the rates it would be in four, at a quarter: the same sum for four times the reading.
    """
    within = duration(BIRTHS)
    scraped_before = f'(up{{tier!=""}} offset {within} == 1)'
    young = f"(min_over_time({counter}[{within}]) unless {counter} offset {within})"
    return f"({young} and on (tier, proxy) {scraped_before}) / {BIRTHS.total_seconds():g}"
