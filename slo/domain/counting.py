"""How the events of any span of time are asked of Prometheus, for all objectives at once."""

from datetime import timedelta

from slo.domain.alert_rules import SCRAPED
from slo.domain.indicators import BAD, EVENTS
from slo.domain.readings import Queries
from slo.domain.rules import BASE
from telemetry.domain.promql import duration

# The rates of the last minute of an hour are recorded and stored by then.
SETTLES = timedelta(minutes=1)
SHORTEST = 2 * BASE
"""A span that holds fewer than two samples is not worth asking for."""


def queries(span: timedelta) -> Queries:
    """Asked as of the end of `span`: its events, its bad ones, and the share of it that was measured.

    The windows that rules record are such sums; summing here gives them at the full hour, whatever
    Prometheus missed right then, and for spans that no rule records. A gap adds nothing, and its share is
    not covered.
    """
    base, window, seconds = BASE.total_seconds(), duration(span), span.total_seconds()
    # As of `rules`: a sample exactly at the start is inside for Prometheus 2 and outside for Prometheus 3.
    within = duration(span - timedelta(seconds=1))

    def named(promql: str) -> str:
        return f'label_replace({promql}, "window", "{window}", "", "")'

    return Queries(
        events=named(f"{base:g} * sum_over_time({EVENTS}:rate1m[{within}])"),
        bad=named(f"{base:g} * sum_over_time({BAD}:rate1m[{within}])"),
        coverage=named(f"count_over_time({SCRAPED}[{within}]) * {base:g} / {seconds:g}"),
        scraped="",
    )
