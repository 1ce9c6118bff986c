"""A signal: what a rule says when it fires, as its caller gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypedDict

from alerts.domain import causes
from alerts.domain.fingerprint import fingerprint

Severity = Literal["page", "ticket"]
Originator = Literal["proxy", "backend", "both", "unknown"]
Links = Sequence[tuple[str, str]]


class Said(TypedDict):
    """The arguments of `services.signal` and `services.observe`.

    `labels` are the identity: `tier`, and `route` or `upstream` where it is about one. `upstream` is which
    backend is at fault, where the labels do not have it since it may change while the rule fires. `through`
    are the upstreams that the target's requests go to: what is wrong with one of them may explain this.
    `links` are (words, path) of Sluice's pages about it, or (words, address) of others.
    """

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    originator: Originator
    summary: str
    numbers: Mapping[str, str]
    action: str
    runbook: str
    cause: str
    upstream: NotRequired[str]
    through: NotRequired[Sequence[str]]
    links: NotRequired[Links]


@dataclass(frozen=True, slots=True)
class Signal:
    """The same as one value; see `Said`."""

    rule: str
    labels: Mapping[str, str]
    severity: Severity
    originator: Originator
    summary: str
    numbers: Mapping[str, str]
    action: str
    runbook: str
    cause: str
    upstream: str = ""
    through: Sequence[str] = ()
    links: Links = field(default=())

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.rule, self.labels)

    @property
    def where(self) -> dict[str, str]:
        """What its incident is known by."""
        route, upstream = self.labels.get("route", ""), self.labels.get("upstream", "")
        return {
            "tier": self.labels.get("tier", ""),
            "route": route,
            "of_upstream": "" if route else upstream,
            "family": causes.family(self.cause),
        }

    @property
    def about(self) -> str:
        """The one upstream that it is about; empty where that is none or several."""
        if self.labels.get("upstream"):
            return self.labels["upstream"]
        return self.through[0] if len(self.through) == 1 else ""

    @property
    def reach(self) -> list[str]:
        """Every upstream that what is wrong here may come from."""
        return sorted({*self.through, *([self.about] if self.about else [])})
