"""The durations and limits of a runbook: data in its front matter, overridable per tier.

What a runbook sets is one flat set of names: these, and those of the thresholds of its own definition.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class BadPolicy(ValueError):
    """A name or a value that no policy has."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How fast, how long, how much. A snapshot of it goes with each run.

    `lookback` is the window of every rate that is asked for, `approvals` how many have to say yes where one
    is asked, `longest` how long a person may extend to since it was decided. Ratios are 0 to 1.
    `thresholds` are the definition's own, by name, and `remedy` is one of `remedies`.
    """

    lookback: timedelta = timedelta(seconds=30)
    stale_after: timedelta = timedelta(seconds=10)
    confirm_for: timedelta = timedelta(seconds=10)
    approval_for: timedelta = timedelta(minutes=15)
    approvals: int = 1
    ack_within: timedelta = timedelta(seconds=10)
    verify_for: timedelta = timedelta(seconds=20)
    hold_for: timedelta = timedelta(minutes=10)
    longest: timedelta = timedelta(hours=4)
    quiet_for: timedelta = timedelta(minutes=2)
    revert_within: timedelta = timedelta(seconds=30)
    cooldown: timedelta = timedelta(minutes=5)
    flap_window: timedelta = timedelta(minutes=30)
    flaps: int = 2
    actions: int = 3
    actions_in_all: int = 6
    actions_window: timedelta = timedelta(minutes=10)
    routes_touched: float = 0.5
    left_out: float = 0.5
    remedy: str = ""
    remedies: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def expiry(self) -> timedelta:
        """How long the overlay may live after it is put: what the steps after it may take, and the hold."""
        return self.ack_within + self.lookback + 2 * self.verify_for + self.hold_for

    @property
    def shortest_cooldown(self) -> timedelta:
        """Below this the alert of the first run may still fire and start a second one."""
        return self.lookback * 1.5


# What every runbook may set; `remedies` and the names of `thresholds` are the definition's.
SETTINGS = tuple(each.name for each in fields(Policy) if each.name not in ("remedies", "thresholds"))


def policy(given: Mapping[str, Any], base: Policy | None = None) -> Policy:
    """`base` with what is given: durations as "30s", "5m" or seconds. Raises BadPolicy."""
    start = base or Policy()
    unknown = sorted(set(given) - set(SETTINGS) - set(start.thresholds))
    if unknown:
        raise BadPolicy(f"no runbook has a setting {', '.join(unknown)}")
    own = {name: _value(name, value, 0.0) for name, value in given.items() if name in start.thresholds}
    shared = {
        name: _value(name, value, getattr(start, name)) for name, value in given.items() if name in SETTINGS
    }
    made = replace(start, **shared, thresholds={**start.thresholds, **own})
    if made.cooldown < made.shortest_cooldown:
        raise BadPolicy("cooldown must be at least 1.5 times lookback")
    if made.approvals < 1:
        raise BadPolicy("approvals is at least 1")
    if made.remedies and made.remedy not in made.remedies:
        raise BadPolicy(f"remedy is one of {', '.join(made.remedies)}")
    return made


def as_data(made: Policy) -> dict[str, Any]:
    """JSON data that `policy` reads back on a base with the same thresholds: durations in seconds."""
    values = ((name, getattr(made, name)) for name in SETTINGS)
    shared = {name: v.total_seconds() if isinstance(v, timedelta) else v for name, v in values}
    return {**shared, **made.thresholds}


def _value(name: str, given: Any, like: Any) -> Any:
    if isinstance(like, timedelta):
        return _duration(name, given)
    if isinstance(like, str):
        return str(given)
    if not _is_number(given):
        raise BadPolicy(f"{name} is a number")
    return type(like)(given)


def _is_number(given: Any) -> bool:
    """Neither infinity nor what no float can be."""
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) <= sys.float_info.max


def _duration(name: str, given: Any) -> timedelta:
    match = _DURATION.match(str(given))
    try:
        if match is not None:
            return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
        if _is_number(given) and given >= 0:
            return timedelta(seconds=given)
    except OverflowError:
        pass  # no duration is so long
    raise BadPolicy(f"{name} is a duration, such as 30s or 5m")
