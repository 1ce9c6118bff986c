"""OpenSLO files for tests, in the shapes that published ones have."""

from typing import Any

import yaml

GOOD = 'http_requests_total{service="mail",code!~"5.."}'
TOTAL = 'http_requests_total{service="mail"}'


def source(query: str, kind: str = "Prometheus", **more: Any) -> dict[str, Any]:
    """A metric; `more` stands beside its query."""
    return {"metricSource": {"type": kind, "spec": {"query": query, **more}}}


def ratio(**changed: Any) -> dict[str, Any]:
    """Of counters, with what is changed; a text is a query."""
    made = {"counter": True, "good": GOOD, "total": TOTAL, **changed}
    return {
        "ratioMetric": {
            key: source(value) if isinstance(value, str) else value for key, value in made.items()
        }
    }


def threshold(query: str = "max(queue_depth)") -> dict[str, Any]:
    return {"thresholdMetric": source(query)}


def slo(sli: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **spec: Any) -> str:
    """One SLO as a document. What is None is left out of its spec."""
    given = {
        "service": "edge",
        "indicator": {"metadata": {"name": "mail-sli"}, "spec": sli or ratio()},
        "timeWindow": [{"duration": "28d", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"target": 0.999}],
        **spec,
    }
    kept = {key: value for key, value in given.items() if value is not None}
    return document("SLO", "mail", kept, **(metadata or {}))


def document(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> str:
    made = {"apiVersion": "openslo/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
    return "---\n" + yaml.safe_dump(made, sort_keys=False)
