"""What Alertmanager's webhook says, version 4 of its format, as signals.

It sends nothing again that was refused: so what is long is cut, and only what is not whole is refused.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Labels are the identity. Those that
Sluice does not know are figures of the message, so that nothing that was sent is lost.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alerts.domain import causes
from alerts.domain.signal import Originator, Severity, Signal

# A name of a tier, route or upstream; what is longer or stranger stays a figure.
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}")
PAGES = frozenset({"page", "critical", "emergency", "fatal", "disaster", "high", "p1", "sev1"})
# Always firing on purpose, as `Watchdog` and `SluiceTells` do: no trouble.
NO_TROUBLE = frozenset({"none"})
ORIGINATORS: dict[str, Originator] = {"proxy": "proxy", "backend": "backend", "both": "both"}
WHERE = ("tier", "route", "upstream")
KNOWN = frozenset({*WHERE, "alertname", "severity", "originator", "cause", "sluice"})
SAYS = ("summary", "message", "description", "title")
SHOWN = 8
LONGEST = 300


class AlertIn(BaseModel):
    """One alert of a notification. `starts_at` tells one episode of it from the next."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(None, alias="endsAt")
    source: str = Field("", alias="generatorURL")

    @property
    def trouble(self) -> bool:
        return self.labels.get("severity", "").lower() not in NO_TROUBLE


class Notification(BaseModel):
    """What one POST holds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal["4"]
    alerts: list[AlertIn]
    truncated: int = Field(0, ge=0, alias="truncatedAlerts")


def urgent_first(alerts: Sequence[AlertIn]) -> list[AlertIn]:
    """Ends first, since they are quick and calm, then pages, then the rest: in this order what is too much is
    left out from its end.
    """
    return sorted(alerts, key=lambda each: (each.status == "firing", severity(each.labels) != "page"))


def signal(alert: AlertIn, *, base_url: str) -> Signal:
    """The alert as Sluice's own rules say it. `base_url` is Sluice's, to know its own runbooks by."""
    name = alert.labels.get("alertname", "") or "alert"
    slug, links = _runbook(alert.annotations.get("runbook_url", ""), base_url)
    return Signal(
        rule=rule(alert.labels),
        labels=identity(alert.labels),
        severity=severity(alert.labels),
        originator=ORIGINATORS.get(alert.labels.get("originator", ""), "unknown"),
        summary=_summary(alert, name),
        numbers=_figures(alert.labels),
        action="Alertmanager told it: no automation of Sluice acts on it.",
        runbook=slug,
        cause=cause(alert.labels),
        links=[*links, *_link("Prometheus", alert.source)],
    )


def rule(labels: Mapping[str, str]) -> str:
    """The name of the rule, at most 100 characters."""
    return f"alertmanager/{labels.get('alertname', '') or 'alert'}"[:100]


def identity(labels: Mapping[str, str]) -> dict[str, str]:
    """All labels. A tier, route or upstream that can be no name of one is somebody else's word."""
    odd = {name for name in WHERE if name in labels and not NAME.fullmatch(labels[name])}
    return {f"their_{name}" if name in odd else name: value for name, value in labels.items()}


def severity(labels: Mapping[str, str]) -> Severity:
    """Who says nothing, or a word that nobody knows, wakes nobody."""
    return "page" if labels.get("severity", "").lower() in PAGES else "ticket"


def cause(labels: Mapping[str, str]) -> str:
    """A cause that Sluice knows, so that it joins its own signals; else the alert's name, cut to fit.

    The alerts of Sluice's own rule file say what its objectives say.
    """
    if labels.get("sluice") == "burn":
        return "slo_burn" if severity(labels) == "page" else "slo_ticket"
    given = labels.get("cause", "")
    if causes.known(given):
        return given
    return (labels.get("alertname", "") or "alert")[:32]


def _summary(alert: AlertIn, name: str) -> str:
    said = next((alert.annotations[key] for key in SAYS if alert.annotations.get(key, "").strip()), name)
    return " ".join(said.split())[:LONGEST]


def _figures(labels: Mapping[str, str]) -> dict[str, str]:
    rest = {name: value for name, value in sorted(identity(labels).items()) if value and name not in KNOWN}
    return {name: value[:LONGEST] for name, value in list(rest.items())[:SHOWN]}


def _runbook(address: str, base_url: str) -> tuple[str, list[tuple[str, str]]]:
    """The slug of one of Sluice's own runbooks, else a link to somebody's."""
    own = re.fullmatch(rf"{re.escape(base_url)}/runbooks/([a-z0-9][a-z0-9-]{{0,62}})/?(\?.*)?", address)
    return (own[1], []) if own else ("", _link("Their runbook", address))


def _link(words: str, address: str) -> list[tuple[str, str]]:
    """Only what a browser opens as a page."""
    parts = urlsplit(address) if address.isprintable() and " " not in address else None
    good = parts is not None and parts.scheme in ("http", "https") and parts.hostname
    return [(words, address)] if good and len(address) <= 2000 and not set("<>|\"'") & set(address) else []
