"""Figures of an observed tier as documents of the API: each with its worth, null for no data."""

from collections.abc import Mapping
from typing import Any

from proxy.domain.figures import route_document
from telemetry.domain.quality import Judged, Observation


def observation_document(tier: str, seen: Observation) -> dict[str, Any]:
    """The whole: figures, clusters, routes (only of an instrumented fleet), proxies."""
    return {
        "tier": tier,
        "at": seen.at,
        "window_seconds": seen.window.total_seconds(),
        "age_seconds": None if seen.age is None else seen.age.total_seconds(),
        "instrumented": seen.instrumented,
        "coverage_ratio": seen.coverage,
        "nameless_ratio": seen.nameless,
        "figures": _judged(seen.figures),
        "clusters": {name: _judged(columns) for name, columns in seen.clusters.items()},
        "routes": {
            name: route_document(row, tier=tier, route=name, at=seen.at, window=seen.window)
            for name, row in seen.routes.items()
        },
        "proxies": {
            name: {"up": row.up, "active_connections": row.connections, "memory_bytes": row.memory}
            for name, row in seen.proxies.items()
        },
    }


def _judged(figures: Mapping[str, Judged]) -> dict[str, Any]:
    return {
        name: {
            "label": each.label,
            "value": each.figure.value,
            "unit": each.figure.unit,
            "worth": each.quality.worth,
            "note": each.quality.note,
            "promql": each.figure.promql,
        }
        for name, each in figures.items()
    }
