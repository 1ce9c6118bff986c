"""The metrics port: what the rest of Sluice may ask, and who answers."""

from datetime import datetime, timedelta
from functools import cache
from typing import Protocol

from django.conf import settings

from telemetry.domain.loaded import LoadedRule
from telemetry.domain.series import Cost, Sample, Series
from telemetry.prometheus import Prometheus


class Metrics(Protocol):
    """Reads measurements. Times are aware UTC and kept to the millisecond.

    Every method raises a `telemetry.domain.errors.MetricsError` when there is no answer; an answer
    without data is an empty tuple.
    """

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        """Evaluate at one time. NaN is kept; a scalar is one sample without labels.

        A plain selector answers with each series' newest sample of the last 5 minutes.
        """

    def matrix(self, promql: str, *, start: datetime, end: datetime, step: timedelta) -> tuple[Series, ...]:
        """Evaluate at `start`, `start + step`, ... up to `end` inclusive."""

    def raw(self, selector: str, *, window: timedelta, at: datetime) -> tuple[Series, ...]:
        """The samples exactly as scraped, with their own times, in (at - window, at]."""

    def cost(self, promql: str, *, at: datetime) -> Cost:
        """What it takes to evaluate at one time. The query is made for it, so that it costs as much again."""

    def retention(self) -> timedelta | None:
        """How long samples are kept; None where only their size bounds it."""

    def rules(self) -> tuple[LoadedRule, ...]:
        """The rules that are evaluated now, group by group in their order."""

    def formatted(self, promql: str) -> str:
        """`promql` in the one form of all texts that mean the same to the parser. BadQuery if it cannot."""


@cache
def _prometheus(url: str, timeout: float) -> Prometheus:
    return Prometheus(url, timeout)


def from_settings(*, timeout: float | None = None) -> Metrics:
    """The Prometheus of the settings; one client, and so one pool of connections, a process.

    `timeout` in seconds replaces that of the settings: pages have less patience than ticks.
    """
    return _prometheus(settings.PROMETHEUS_URL, timeout or settings.PROMETHEUS_TIMEOUT_SECONDS)
