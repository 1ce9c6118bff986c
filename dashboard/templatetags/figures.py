"""Template names for figures, times and states; built in to every template."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from dashboard.domain import figures, look, sentence

register = template.Library()


def _figure(name: str, write: Callable[[Any], str]) -> None:
    """Register a filter for which a value that is not there is no data.

    Django hands a filter an empty string where a lookup failed, such as a figure of a reading that is None.
    """
    register.filter(name, lambda value: write(None if value == "" else value))


_figure("percent", figures.percent)
_figure("ms", figures.milliseconds)
_figure("us", figures.microseconds)
_figure("seconds", lambda value: figures.milliseconds(None if value is None else value * 1000))
_figure("bytes", figures.mebibytes)
_figure("weight", figures.weight)
_figure("number", figures.number)
_figure("times", figures.times)
_figure("left", figures.left)
_figure("overspent", figures.overspent)
_figure("magnitude", figures.magnitude)

# 16 x 16, drawn with the current colour. Each shape differs in outline, not only inside.
_SHAPES = {
    "check": '<circle cx="8" cy="8" r="6.25"/><path d="M5 8.3l2.1 2.1L11 6"/>',
    "arrow": '<path d="M13.5 8a5.5 5.5 0 1 1-2-4.2"/><path d="M13.6 1.6v3h-3"/>',
    "hand": '<path d="M8 1.9 14.6 13.6H1.4z"/><path d="M8 6.2v3.4M8 11.4v.4"/>',
    "cross": '<path d="M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3l-3.5-3.5V5.3z"/>'
    '<path d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4"/>',
    "query": '<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.4 1.6"/>'
    '<path d="M6.3 6.4a1.8 1.8 0 1 1 2.5 1.7c-.6.3-.8.6-.8 1.2M8 11.2v.3"/>',
    "dash": '<circle cx="8" cy="8" r="6.25"/><path d="M5.2 8h5.6"/>',
}


@register.simple_tag
def icon(shape: str) -> SafeString:
    """A shape as inline SVG, hidden from screen readers: its word stands beside it."""
    drawing = mark_safe(_SHAPES[shape])  # noqa: S308  # one of the constants above
    return format_html('<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">{}</svg>', drawing)


@register.simple_tag
def state(value: Any, word: str = "") -> SafeString:
    """A state as shape and word, coloured by its kind."""
    seen = look.look(str(value))
    return format_html(
        '<span class="state state-{}">{}{}</span>', seen.kind, icon(seen.shape), word or look.word(str(value))
    )


@register.simple_tag
def spark(line: Any) -> SafeString:
    """A small line of burn by the hour; the faint line is a burn of 1. Without a measurement, words."""
    if not line or not line.path:
        return format_html('<span class="quiet">{}</span>', "not counted yet")
    return format_html(
        '<svg class="spark" viewBox="0 0 96 24" preserveAspectRatio="none" role="img"'
        ' aria-label="Burn by the hour, 24 hours: at most {}"><path class="spark-one" d="M0 12H96"/>'
        '<path d="{}"/></svg>',
        figures.times(line.most),
        line.path,
    )


@register.filter
def figured(figure: Any) -> str:
    """A figure's value in its unit."""
    write = {
        "ratio": figures.percent,
        "microseconds": figures.microseconds,
        "bytes": figures.mebibytes,
    }.get(figure.unit, figures.number)
    return write(figure.value)


@register.filter
def coded(text: str) -> SafeString:
    """What stands between backticks as code."""
    parts = (
        (format_html("<code>{}</code>", part) if place % 2 else part,)
        for place, part in enumerate(text.split("`"))
    )
    return format_html_join("", "{}", parts)


@register.filter
def kind(value: Any) -> str:
    """The kind of a state, for a class name."""
    return look.look(str(value)).kind


@register.filter
def shape(value: Any) -> str:
    """The shape of a state, for `icon`."""
    return look.look(str(value)).shape


@register.filter
def plain(value: Any) -> str:
    """A state's word without its look."""
    return look.word(str(value))


@register.simple_tag
def ago(at: datetime | None, prefix: str = "") -> SafeString:
    """How old something is, with UTC on hover; a script keeps it counting."""
    if at is None:
        return format_html('<span class="quiet">{}never</span>', prefix)
    return format_html(
        '<time datetime="{}" title="{} UTC" data-ago>{}{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S}",
        prefix,
        figures.age(at, now=timezone.now()),
    )


@register.simple_tag
def clock(at: datetime | None) -> SafeString:
    """A moment: UTC on the server, the reader's zone when a script can, UTC on hover."""
    if at is None:
        return format_html('<span class="quiet">{}</span>', "—")
    utc = f"{at:%Y-%m-%d %H:%M:%S}"
    return format_html('<time datetime="{}" title="{} UTC" data-clock>{}</time>', at.isoformat(), utc, utc)


@register.filter
def span(value: timedelta | float | None) -> str:
    """A duration; a bare number is seconds."""
    if value is None:
        return figures.NO_DATA
    return figures.duration(value if isinstance(value, timedelta) else timedelta(seconds=value))


@register.filter
def measured(objective: Any) -> str:
    """`, 3 min measured` behind a budget that rests on less than half of its period."""
    words = figures.measured(objective.coverage, objective.period)
    return f", {words}" if words else ""


@register.filter
def measured_note(objective: Any) -> str:
    """The same as a note of its own."""
    return figures.measured(objective.coverage, objective.period)


@register.filter
def pretty(value: Any) -> str:
    """Plain data as indented JSON."""
    return json.dumps(value, indent=2, sort_keys=True, default=str)


@register.filter
def newest(rows: Sequence[Any], most: int) -> list[Any]:
    """The last few rows, the newest first."""
    return list(reversed(rows[-most:]))


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """A value of a mapping, or None."""
    return mapping.get(key) if mapping else None


@register.filter
def over(value: float | str | None, limit: float) -> str:
    """`bad` above the limit, for a figure's class."""
    return "bad" if isinstance(value, float) and value > limit else ""


@register.filter
def over_us(value: float | str | None, limit_ms: float | None) -> str:
    """`wait` when microseconds pass a limit in milliseconds."""
    return "wait" if isinstance(value, float) and limit_ms is not None and value > limit_ms * 1000 else ""


@register.filter
def linked(text: str) -> SafeString:
    """A sentence whose "rollout 3", "run 2" and "incident 1" lead to their pages."""
    parts = re.split(r"\b((?:rollout|run|incident) \d+)\b", text, flags=re.IGNORECASE)
    return format_html_join(
        "", "{}", ((_link(part) if place % 2 else part,) for place, part in enumerate(parts))
    )


def _link(words: str) -> SafeString:
    page, number = words.lower().split()
    return format_html('<a href="{}">{}</a>', reverse(page, args=[int(number)]), words)


@register.filter
def meter(share: float) -> str:
    """A share for a `progress` element: 0 to 1, whatever was overspent."""
    return f"{min(1.0, max(0.0, share)):.3f}"


@register.filter
def objective_ms(limit_ms: float | None) -> str:
    """The note beside an added latency."""
    return f"objective {limit_ms:g} ms" if limit_ms else "no objective"


@register.filter
def idempotency(word: str) -> str:
    """What may be retried, in words."""
    return {"method": "of idempotent requests", "always": "of every request"}.get(word, "of none")


@register.filter
def route_state(seen: Any) -> SafeString:
    """A route's status in one badge: whose 5xx, or what retries hide, or health, or no data."""
    if not seen:
        return state("no_data")
    if (seen.proxy_error_ratio or 0) > sentence.PROXY_LIMIT:
        own = {name: figure.value or 0.0 for name, figure in seen.reasons.items() if name != "backend"}
        silent = sentence.main_reason(own) in sentence.BACKEND_DOES
        return state("bad", "backend silent" if silent else "proxy fails")
    if (seen.backend_error_ratio or 0) > sentence.BACKEND_LIMIT:
        return state("bad", "backend fails")
    shares = [arm.first_attempt_error_ratio or 0 for arm in seen.arms.values()]
    if max(shares, default=0) > sentence.BACKEND_LIMIT:
        return state("wait", "retries hide failures")
    return state("healthy")
