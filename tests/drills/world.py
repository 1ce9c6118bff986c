"""A tier in front of the lab's backends, or of somebody's."""

from datetime import UTC, datetime
from typing import Any

import proxy.services
from audit.domain.actor import Actor
from tests.proxy.factories import document

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ANN = Actor("ann", "cli")


def declare(*, payments: dict[str, Any] | None = None) -> None:
    """The sample tier in small; `payments` is another endpoint of that upstream than the lab's."""
    named = {"shop-v1": ("shop-v1-a", "shop-v1-b"), "shop-v2": ("shop-v2-a",)}
    upstreams: list[dict[str, Any]] = [
        {"name": name, "endpoints": [{"name": each, "port": 11001 + n} for n, each in enumerate(endpoints)]}
        for name, endpoints in named.items()
    ]
    upstreams.append({"name": "payments", "endpoints": [payments or {"name": "payments-a", "port": 11004}]})
    proxy.services.apply(
        document=document(upstreams=upstreams), by=ANN, reason="tests", now=NOW, gate=lambda _: []
    )
