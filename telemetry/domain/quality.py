"""What a figure is worth: exact, approximate and why, or not to be had and what to add for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from telemetry.domain.indicators import Figure, RouteIndicators

Worth = Literal["exact", "approximate", "unavailable"]


@dataclass(frozen=True, slots=True)
class Quality:
    """`note` says how an exact figure was had, why another is approximate, or what to add."""

    worth: Worth
    note: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A figure with its worth. An exact or approximate one without a value is no data: nothing came yet."""

    name: str
    label: str
    figure: Figure
    quality: Quality


@dataclass(frozen=True, slots=True)
class WatchedProxy:
    """One proxy by the label that tells it apart. `up` None: Prometheus does not know it."""

    proxy: str
    up: bool | None
    age: timedelta | None
    connections: float | None
    memory: float | None


@dataclass(frozen=True, slots=True)
class Observation:
    """An observed fleet over `window` up to `at`.

    `coverage` is the share of its requests that Sluice's statistics saw, None where they saw none; `nameless`
    the share of those whose route has no name, so that no row of the routes is theirs; `numbered` whether
    attempts are logged with their numbers, without which first attempts stay an estimate.
    """

    at: datetime
    window: timedelta
    age: timedelta | None
    coverage: float | None
    nameless: float | None
    numbered: bool
    instrumented: bool
    figures: Mapping[str, Judged]
    clusters: Mapping[str, Mapping[str, Judged]]
    routes: Mapping[str, RouteIndicators]
    proxies: Mapping[str, WatchedProxy]


MIXED = (
    "estimated: Envoy's counters mix its own 5xx with the backend's. Its own are answers minus those that a "
    "backend gave to the end, so an answer cut in the middle and a client that left in the middle count as "
    "the proxy's, at most as many as there are 5xx; a stream that is still open counts until it ends; while "
    "traffic changes, up to one stats_flush_interval of it is off; a gRPC failure answers HTTP 200 and is in "
    "neither"
)
FIRST = (
    "estimated: requests that failed at last or that a retry healed, as a share of all. A request that no "
    "backend was tried for is in it, and a retry that ended in a 5xx which is not retried counts twice; a "
    "gRPC failure is not in it"
)
WHOLE_MS = (
    "whole milliseconds, interpolated inside Envoy's buckets (by default 0.5, 1, 5, 10, 25, 50 ms...); slow "
    "clients are in it"
)
MEAN = (
    "an average, and a difference of two: the time to read a slow upload and to feed a slow reader is in it, "
    "and each request is rounded to a millisecond"
)
COUNTED = "Envoy counts it"
MEASURED = "measured for each request by Sluice's statistics"
INSTRUMENT = "needs Sluice's statistics: `manage.py instrument` prints what to add"
NO_QUANTILE = f"a quantile of differences is no difference of quantiles; {INSTRUMENT}"
TRACK = "needs `track_remaining: true` in the cluster's circuit_breakers.thresholds"
TLS = "needs a listener that terminates TLS, and a handshake in the window"
