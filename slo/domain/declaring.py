"""An objective as the YAML that declares it."""

from decimal import Decimal
from typing import Any

import yaml

from slo.domain.objectives import DEFAULT_RUNBOOK, Objective

TEXTS = ("description", "route", "upstream", "resource", "bad", "good", "total", "gauge", "owner")


def declaration(one: Objective) -> dict[str, Any]:
    """What a tier's `objectives:` holds of it; what is as by default is left out."""
    said: dict[str, Any] = {
        "name": one.name,
        "kind": one.kind,
        "target": _number(100 * one.target),
        **{name: getattr(one, name) for name in TEXTS if getattr(one, name)},
    }
    if one.threshold_us is not None:
        said["threshold_ms"] = _number(Decimal(one.threshold_us) / 1000)
    said |= {
        name: _number(bound) for name in ("at_most", "at_least") if (bound := getattr(one, name)) is not None
    }
    if one.calendar:
        said["calendar"] = one.calendar
    elif one.period.days != 30:
        said["window_days"] = one.period.days
    if one.severity != "page":
        said["severity"] = one.severity
    if one.runbook != DEFAULT_RUNBOOK:
        said["runbook"] = one.runbook
    return said


def written(one: Objective) -> str:
    """The same as text, to be put into the tier's file."""
    found = {"objectives": [declaration(one)]}
    return yaml.dump(found, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=100)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
