"""The words of OpenSLO v1 that both directions share, and Sluice's own annotations."""

from typing import Any

VERSION = "openslo/v1"
VERSIONS = (VERSION, "openslo.com/v1")
"""The second is what tools write that keep the objects in Kubernetes, whose groups have a dot."""
KINDS = ("SLO", "SLI", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "DataSource", "Service")
NAME_LENGTH = 63

PREFIX = "sluice/"
TEXTS = ("name", "kind", "route", "upstream", "resource", "owner", "severity", "runbook")
NUMBERS = ("threshold_ms", "at_most", "at_least")
"""The fields of an objective that OpenSLO has no place for, by the kind of their value."""


def annotation(field: str) -> str:
    """What the field is called among the annotations: `sluice/at-most`."""
    return PREFIX + field.replace("_", "-")


ANNOTATIONS = {annotation(field): field for field in (*TEXTS, *NUMBERS)}
SHORT_WINDOW = annotation("short_window")
"""Of an alert condition: its second window, which OpenSLO has no place for."""

CALENDARS = {"1w": "week", "1M": "month", "1Q": "quarter"}
CALENDAR_START = "2024-01-01 00:00:00"
"""A Monday, and the first day of a month and of a quarter: one start serves all three."""


def new(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A document; what is empty in its metadata is left out."""
    kept = {key: value for key, value in metadata.items() if value}
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name, **kept}, "spec": spec}
