"""Signals of the tests: one canary, its consequences, a brownout and the storms that it explains."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alerts import selectors, services
from alerts.models import Incident, Outbox
from audit.domain.actor import Actor, automation
from outbound.posting import Outbound
from outbound.secrets import Secrets

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
RUNBOOKS = automation("runbooks")
ANN = Actor("ann", "web")
SECRET = "a secret of the tests"


def at(minutes: float) -> datetime:
    """So many minutes after the beginning."""
    return NOW + timedelta(minutes=minutes)


def signal(rule: str, cause: str, labels: dict[str, str], *, now: datetime = NOW, **over: Any) -> int:
    facts: dict[str, Any] = {
        "severity": "page",
        "originator": "backend",
        "summary": f"{rule} of {'/'.join(labels.values())}",
        "numbers": {"figure": "1"},
        "action": "",
        "runbook": rule,
        "by": RUNBOOKS,
    }
    return services.signal(rule=rule, cause=cause, labels=labels, now=now, **(facts | over))


def storm(route: str = "shop", *, through: tuple[str, ...] = ("shop-v1", "shop-v2"), **over: Any) -> int:
    labels = {"tier": "edge", "route": route}
    return signal("retry-storm", "retry_storm", labels, through=through, **over)


def brownout(upstream: str = "shop-v1", **over: Any) -> int:
    return signal("brownout", "brownout", {"tier": "edge", "upstream": upstream}, **over)


def clear(rule: str, labels: dict[str, str], *, now: datetime) -> None:
    services.clear(rule=rule, labels=labels, why="calm again", by=RUNBOOKS, now=now)


def incident(number: int) -> Incident:
    return Incident.objects.get(pk=number)


def unhandled(**where: Any) -> set[str]:
    """The causes of what fires there and is not mitigated."""
    return {row.cause for row in selectors.unhandled_causes(**where)}


def posts() -> list[Outbox]:
    return list(Outbox.objects.filter(op="post").order_by("id"))


def texts() -> list[str]:
    return [row.payload["text"] for row in posts()]


def declare(settings: Any, folder: Path, text: str) -> None:
    """Have the settings name a file of receivers that says this."""
    path = folder / "notify.yaml"
    path.write_text(text)
    settings.NOTIFY_FILE = str(path)


def sender(*, names: tuple[str, ...] = ("desk", "pager"), timeout: float = 3.0) -> Outbound:
    """Sends with secrets of these names, to loopback whatever the host."""
    environment = {f"SLUICE_HOOK_SECRET_{name.upper()}": SECRET for name in names}
    secrets = Secrets(environment=environment, folder=Path("/nonexistent"))
    return Outbound(secrets, frozenset(), resolve=lambda host, port: ["127.0.0.1"], timeout=timeout)
