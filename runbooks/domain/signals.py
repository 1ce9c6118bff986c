"""Signals: what a runbook measures of every target of a tier, each with one query, or from other signals."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from runbooks.domain.conditions import Part
from runbooks.domain.indicators import INDICATORS, filled

Unit = Literal["per_second", "ratio", "times", "count", "seconds", "milliseconds", "cores", "bytes"]
By = Literal["route", "upstream", "proxy", "tier"]
# So many of the series that weigh most are told.
HEAVIEST = 5


class Queried(Part):
    """One instant query for all targets. `$tier` and `$lookback` stand for the tier's name and the window.

    `by` is what its series are told apart by, by the label of that name (of an upstream also `arm` and
    `envoy_cluster_name`). Where that is not the runbook's scope, `join` says how series become one figure: a
    route's over the upstreams that it is split to, a tier's over all. `names` is a label whose heaviest
    series are told, such as the backend with the most retries, under the title `most`. `absent` is what it
    means that there is no series while the tier is scraped: 0 for a counter that counts only what is wrong.
    """

    title: str = ""
    unit: Unit
    promql: str = ""
    indicator: str = ""
    by: By = "route"
    join: Literal["sum", "max", "min"] = "sum"
    names: str = ""
    most: str = ""
    absent: float | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Queried":
        if bool(self.promql) == bool(self.indicator):
            raise ValueError("give promql, or the name of an indicator")
        if self.promql and "$tier" not in self.promql:
            raise ValueError('name the tier, as in {tier="$tier"}: series of all tiers lie together')
        if self.indicator and self.indicator not in INDICATORS:
            raise ValueError(f"there is no indicator {self.indicator}; there are {', '.join(INDICATORS)}")
        return self


class Ratio(Part):
    """One signal over another: `absent` (no data) where either has none or the second is 0."""

    title: str = ""
    unit: Unit = "ratio"
    ratio: str
    over: str
    absent: float | None = None


class Total(Part):
    """A sum of signals, and a constant: no data where one of them has none."""

    title: str = ""
    unit: Unit
    total: tuple[str, ...] = Field(min_length=1)
    plus: float = 0.0


def _kind(given: object) -> str:
    if isinstance(given, Ratio) or (isinstance(given, Mapping) and "ratio" in given):
        return "ratio"
    if isinstance(given, Total) or (isinstance(given, Mapping) and "total" in given):
        return "total"
    return "query"


Signal = Annotated[
    Annotated[Queried, Tag("query")] | Annotated[Ratio, Tag("ratio")] | Annotated[Total, Tag("total")],
    Discriminator(_kind),
]
AnySignal = Queried | Ratio | Total


def promql_of(signal: Queried, tier: str, window: timedelta) -> str:
    """The one query of the signal for all targets of the tier."""
    if signal.indicator:
        return INDICATORS[signal.indicator](tier, window)
    return filled(signal.promql, tier, window)


def parts(signal: AnySignal) -> tuple[str, ...]:
    """The signals that this one is made of."""
    match signal:
        case Ratio():
            return (signal.ratio, signal.over)
        case Total():
            return signal.total
        case Queried():
            return ()


def joined(signal: Queried, values: Sequence[float]) -> float | None:
    """One target's figure of the values of its series."""
    if not values:
        return signal.absent
    match signal.join:
        case "sum":
            return _finite(sum(values))
        case "max":
            return max(values)
        case "min":
            return min(values)


def heaviest(series: Mapping[str, float]) -> tuple[str, ...]:
    """The few that weigh most, heaviest first; what weighs nothing is none of them."""
    found = sorted((name for name, value in series.items() if value > 0), key=lambda name: -series[name])
    return tuple(found[:HEAVIEST])


def complete(
    signals: Mapping[str, AnySignal], queried: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Every signal's figure, in their order; what is derived may only use what stands before it."""
    values: dict[str, float | None] = {}
    for name, signal in signals.items():
        match signal:
            case Queried():
                values[name] = queried.get(name)
            case Ratio():
                values[name] = _over(values[signal.ratio], values[signal.over], signal.absent)
            case Total():
                values[name] = _sum([values[each] for each in signal.total], signal.plus)
    return values


def spelled(value: float | None, unit: Unit, digits: int = 1) -> str:
    """A figure as people read it."""
    if value is None:
        return "unknown"
    match unit:
        case "ratio":
            return f"{value * 100:.{digits}f} %"
        case "per_second":
            return f"{value:.{digits}f}/s"
        case "times":
            return f"x{value:.{digits + 1}f}"
        case "count":
            return f"{value:.0f}"
        case "seconds":
            return f"{value:.{digits + 1}f} s"
        case "milliseconds":
            return f"{value:.{digits}f} ms"
        case "cores":
            return f"{value:.{digits + 1}f} cores"
        case "bytes":
            return f"{value / 2**20:.{digits}f} MiB"


def _over(part: float | None, whole: float | None, absent: float | None) -> float | None:
    return absent if part is None or not whole else _finite(part / whole)


def _sum(values: Sequence[float | None], plus: float) -> float | None:
    known = [value for value in values if value is not None]
    return _finite(sum(known) + plus) if len(known) == len(values) else None


def _finite(value: float) -> float | None:
    """What overflows is no figure."""
    return value if math.isfinite(value) else None
