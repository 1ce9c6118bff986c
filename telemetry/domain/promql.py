"""PromQL as text: escaping, selectors, durations, numbers. Whatever builds a query builds it here."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_SPAN = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800, "y": 31_536_000}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")


def escape(value: str) -> str:
    """A label value as the inside of a double-quoted PromQL string.

    Backslash, quote and newline are all that Prometheus' lexer gives a meaning to:
    https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals
    """
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def equal(label: str, value: str) -> str:
    """The matcher `label="value"`."""
    return _matcher(label, "=", value)


def unequal(label: str, value: str) -> str:
    """The matcher `label!="value"`."""
    return _matcher(label, "!=", value)


def matching(label: str, regex: str) -> str:
    """The matcher `label=~"regex"`; Prometheus anchors the expression at both ends."""
    return _matcher(label, "=~", regex)


def not_matching(label: str, regex: str) -> str:
    """The matcher `label!~"regex"`."""
    return _matcher(label, "!~", regex)


def literal(value: str) -> str:
    """A regular expression that matches just `value`."""
    return "".join(f"\\{character}" if character in r"\.+*?()|[]{}^$" else character for character in value)


def _matcher(label: str, operator: str, value: str) -> str:
    if not _LABEL.match(label):
        raise ValueError(f"not a label name: {label!r}")
    return f'{label}{operator}"{escape(value)}"'


def selector(metric: str, *matchers: str, **labels: str) -> str:
    """An instant selector, such as `up{tier="edge"}`.

    `matchers` come from the functions above; `labels` are equalities. Raises ValueError for a name that
    Prometheus would not take, so that no name can break out of the selector.
    """
    if not _METRIC.match(metric):
        raise ValueError(f"not a metric name: {metric!r}")
    inside = [*(equal(label, value) for label, value in labels.items()), *matchers]
    return f"{metric}{{{','.join(inside)}}}" if inside else metric


def rate(metric: str, window: timedelta, *matchers: str, offset: timedelta | None = None) -> str:
    """The increase per second over `window`, which ends now or `offset` ago."""
    ago = f" offset {duration(offset)}" if offset else ""
    return f"rate({selector(metric, *matchers)}[{duration(window)}]{ago})"


def mean(metric: str, window: timedelta, *matchers: str) -> str:
    """The mean of a gauge's samples over `window`."""
    return f"avg_over_time({selector(metric, *matchers)}[{duration(window)}])"


@lru_cache
def duration(window: timedelta) -> str:
    """A Prometheus duration in its largest whole unit: `90s`, `5m`, `1h`, `30d`; `1500ms` at the finest."""
    milliseconds = round(window / timedelta(milliseconds=1))
    if milliseconds <= 0:
        raise ValueError(f"not a positive duration: {window}")
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def span(text: str) -> timedelta | None:
    """A duration as Prometheus prints it, such as `15d` or `1d12h`; None for what is none, such as `1GiB`."""
    if not text or not _SPAN.fullmatch(text):
        return None
    return sum((timedelta(seconds=int(n) * _SECONDS[unit]) for n, unit in _PART.findall(text)), timedelta())


def moment(unix_seconds: float) -> datetime:
    """A Prometheus timestamp, which has millisecond precision, as aware UTC."""
    return datetime.fromtimestamp(round(unix_seconds * 1000) / 1000, tz=UTC)


def number(text: str | float) -> float:
    """A sample value as Prometheus writes it. `NaN`, `+Inf` and `-Inf` come as strings and are kept."""
    return float(text)


def edge(text: str) -> float:
    """A bucket's `le` as a number: Envoy writes `3000`, Prometheus 3 stores `3000.0`. `+Inf` is infinite."""
    return number(text)
