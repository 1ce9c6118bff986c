"""Numbers as people read them. None is no data and has its own word: it is never shown as zero."""

import math
from datetime import datetime, timedelta

NO_DATA = "no data"
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def percent(ratio: float | None) -> str:
    """A ratio from 0 to 1 as percent, with as many digits as tell 99.95 % from 99.99 %."""
    if ratio is None or _missing(ratio):
        return NO_DATA
    share = ratio * 100
    if share == 0 or share == 100:
        return f"{share:.0f} %"
    if 99 < share < 100:
        return f"{math.floor(share * 1000) / 1000:.3f} %"
    if 0 < share < 0.01:
        return "< 0.01 %"
    return f"{share:.2f} %" if abs(share) < 10 else f"{share:.1f} %"


def left(ratio: float | None) -> str:
    """What is left of a budget: overspent is nothing left, and how often it was spent stands beside it."""
    return percent(ratio if ratio is None else max(0.0, ratio))


def overspent(ratio: float) -> str:
    """How often a budget was spent, once nothing is left: 1.2 or 65 times."""
    return f"spent {number(1 - ratio)} times over"


def measured(coverage: float | None, period: timedelta) -> str:
    """Over how much of a period a figure was measured, where that is less than half; else empty."""
    if coverage is None or math.isnan(coverage) or coverage >= 0.5:
        return ""
    return f"{duration(period * coverage)} measured"


def milliseconds(value: float | None) -> str:
    """Milliseconds, finer the smaller they are: 0.84 ms, 12.3 ms, 1.25 s."""
    if value is None or _missing(value):
        return NO_DATA
    if math.isinf(value):
        return "beyond the last bucket"
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms"


def microseconds(value: float | None) -> str:
    """Microseconds, as Prometheus holds latencies, in milliseconds for people."""
    return milliseconds(None if value is None else value / 1000)


def mebibytes(value: float | None) -> str:
    """Bytes in MiB."""
    return NO_DATA if value is None or _missing(value) else f"{value / 2**20:.0f} MiB"


def weight(basis_points: int | None) -> str:
    """A weight in basis points as percent: 500 is 5 %."""
    return NO_DATA if basis_points is None else f"{basis_points / 100:g} %"


def number(value: float | None) -> str:
    """A count or a rate with about three digits: 0.42, 12.3, 4,210."""
    if value is None or _missing(value):
        return NO_DATA
    if math.isinf(value):
        return "∞"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"


def magnitude(value: float | None) -> str:
    """A number that may run over many decades, such as an e-value: 0.42, 87, 1.2e+09."""
    if value is None or _missing(value):
        return NO_DATA
    if math.isinf(value) or 0.001 <= abs(value) < 1e6 or value == 0:
        return number(value)
    return f"{value:.1e}"


def times(burn: float | None) -> str:
    """A burn rate: 1 spends the budget exactly over its period."""
    return NO_DATA if burn is None or _missing(burn) else f"{number(burn)}x"


def duration(span: timedelta) -> str:
    """The two largest units of a span: 3 min 20 s, 2 h, 5 d 4 h."""
    left = max(0, int(span.total_seconds()))
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def age(at: datetime, *, now: datetime) -> str:
    """How long ago, or how far ahead."""
    if at > now:
        return f"in {duration(at - now)}"
    return f"{duration(now - at)} ago" if now - at >= timedelta(seconds=2) else "just now"
