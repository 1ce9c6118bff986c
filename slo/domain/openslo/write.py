"""Objectives as OpenSLO v1 that any tool can read as plain PromQL.

What Sluice counts by itself is written as the series that it records; annotations say which kind that is.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import yaml

from slo.domain.indicators import BAD, EVENTS, LABELS, sli
from slo.domain.objectives import DEFAULT_RUNBOOK, Objective
from slo.domain.openslo import alerting
from slo.domain.openslo.naming import names
from slo.domain.openslo.vocabulary import CALENDAR_START, CALENDARS, annotation, new
from slo.domain.windows import AlertTier
from telemetry.domain.promql import selector

Document = dict[str, Any]

HEADER = "# OpenSLO v1 of Sluice's objectives: manage.py objectives import FILE\n"


def render(objectives: Sequence[Objective]) -> str:
    """The objectives as a YAML stream, with the services, alert policies and targets that they name."""
    made = documents(objectives)
    return HEADER + yaml.dump_all(
        made, Dumper=_Dumper, explicit_start=True, sort_keys=False, allow_unicode=True, width=110
    )


def documents(objectives: Sequence[Objective]) -> list[Document]:
    """Services first, then the objectives in their order, then what they alert by."""
    alerts = {pair: None for one in objectives for pair in _alerts(one)}
    return [
        *(service(tier) for tier in dict.fromkeys(one.tier for one in objectives)),
        *(slo(one, name) for one, name in zip(objectives, names(objectives), strict=True)),
        *(made(*pair) for made in (alerting.policy, alerting.condition) for pair in alerts),
        *([alerting.target()] if alerts else []),
    ]


def service(tier: str) -> Document:
    return new("Service", tier, {"description": f"The load-balancing tier {tier}, which Sluice drives."})


def slo(objective: Objective, name: str) -> Document:
    spec: Document = {"description": objective.description} if objective.description else {}
    spec |= {
        "service": objective.tier,
        "indicator": {"metadata": {"name": name}, "spec": indicator(objective)},
        "timeWindow": [_window(objective)],
        "budgetingMethod": "Occurrences",
        "objectives": [_promise(objective)],
        "alertPolicies": [{"alertPolicyRef": alerting.name(*pair)} for pair in _alerts(objective)],
    }
    return new("SLO", name, spec, annotations=dict(_annotations(objective, name)))


def indicator(objective: Objective) -> Document:
    """The SLI's spec: a person's own PromQL as it is, else what Sluice records."""
    if objective.kind == "gauge":
        return {"thresholdMetric": _source(objective.gauge)}
    if objective.kind != "ratio":
        return _ratio("bad", _recorded(f"{BAD}:rate1m", objective), _recorded(f"{EVENTS}:rate1m", objective))
    side = "bad" if objective.bad else "good"
    return _ratio(side, objective.bad or objective.good, objective.total)


def _ratio(side: str, counted: str, total: str) -> Document:
    """All are events a second, which rise and fall."""
    return {"ratioMetric": {"counter": False, side: _source(counted), "total": _source(total)}}


def _recorded(family: str, objective: Objective) -> str:
    where = {label: getattr(objective, label) for label in LABELS}
    return f"sum({selector(family, sli=sli(objective), **where)})"


def _source(promql: str) -> Document:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": promql}}}


def _annotations(objective: Objective, name: str) -> Iterator[tuple[str, str]]:
    if objective.name != name:
        yield annotation("name"), objective.name
    if objective.kind not in ("ratio", "gauge"):
        yield annotation("kind"), objective.kind
        yield from _bounds(objective)
    for field in ("route", "upstream", "resource", "owner", "severity"):
        if value := getattr(objective, field):
            yield annotation(field), value
    if objective.runbook != DEFAULT_RUNBOOK:
        yield annotation("runbook"), objective.runbook


def _bounds(objective: Objective) -> Iterator[tuple[str, str]]:
    if objective.threshold_us is not None:
        yield annotation("threshold_ms"), f"{Decimal(objective.threshold_us) / 1000:f}"
    for field in ("at_most", "at_least"):
        value = getattr(objective, field)
        if value is not None:
            yield annotation(field), f"{value:f}"


def _window(objective: Objective) -> Document:
    if objective.calendar is None:
        return {"duration": f"{objective.period.days}d", "isRolling": True}
    length = next(text for text, calendar in CALENDARS.items() if calendar == objective.calendar)
    calendar = {"startTime": CALENDAR_START, "timeZone": "UTC"}
    return {"duration": length, "calendar": calendar, "isRolling": False}


def _promise(objective: Objective) -> Document:
    """As a share: not every tool reads percents."""
    promise: Document = {"target": float(objective.target)}
    if objective.kind != "gauge":
        return promise
    if objective.at_most is not None:
        return {"op": "lte", "value": _plain(objective.at_most), **promise}
    return {"op": "gte", "value": _plain(objective.at_least or Decimal(0)), **promise}


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _alerts(objective: Objective) -> list[tuple[AlertTier, timedelta]]:
    return [(tier, objective.period) for tier in alerting.telling(objective.severity)]


_BREAKS = frozenset("\x85\u2028\u2029")
"""Line breaks to YAML 1.1 beside the usual."""


class _Dumper(yaml.SafeDumper):
    """PromQL of several lines stays readable; nothing becomes an anchor."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if _BREAKS.intersection(text):
        style = '"'  # where they are escaped: elsewhere a reader takes them for the end of a line
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
