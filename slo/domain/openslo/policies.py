"""What becomes of a file's alert policies. Sluice alerts by tiers of its own: of a policy that is not one of
them only the severity is taken, and the rest is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from slo.domain.openslo import alerting
from slo.domain.openslo.frames import frame
from slo.domain.openslo.library import Library
from slo.domain.openslo.nodes import Node
from slo.domain.openslo.periods import minutes
from slo.domain.windows import TIERS, AlertTier, Severity

_SEVERITIES: dict[str, Severity] = {"page": "page", "ticket": "ticket"}


def severity(spec: Node, library: Library, given: str, period: timedelta) -> str:
    """Whether the SLO pages: as `given`, else as its alert conditions say, else it does."""
    reader = _Reader(library, period)
    said = [word for node in spec.children("alertPolicies") for word in reader.policy(node)]
    known = {_SEVERITIES[word] for word in said if word in _SEVERITIES}
    decided: Severity = "ticket" if (given or "".join(known)) == "ticket" else "page"
    if not given and not known:
        hint = "annotate sluice/severity: ticket where nobody is to be woken"
        spec.note("alertPolicies", f"of no severity page or ticket: {_by(decided, period)}; {hint}")
    missing = [tier.name for tier in alerting.telling(decided) if tier not in reader.own]
    if reader.own and missing:
        spec.note("alertPolicies", f"Sluice alerts by {', '.join(missing)} too")
    return given or decided


def _by(severity: Severity, period: timedelta) -> str:
    return f"Sluice sends a {severity} at {alerting.words(severity, period)}"


@dataclass(slots=True)
class _Reader:
    """Reads policies of an SLO of this period; `own` are the alert tiers that they already are."""

    library: Library
    period: timedelta
    own: set[AlertTier] = field(default_factory=set)

    def policy(self, node: Node) -> Iterator[str]:
        """The severities of the policy that stands here or is referred to."""
        found = self._object(node, "AlertPolicy", "alertPolicyRef")
        if found is None:
            return
        if alerting.own(found.raw):
            yield from self._own(found)
            return
        spec = frame(found, kind="AlertPolicy")
        if spec is None:
            return
        if spec.text("description"):
            spec.note("description", "is not kept")
        _when(spec)
        for condition in spec.children("conditions"):
            yield from self._condition(condition)
        for target in spec.children("notificationTargets"):
            self._target(target)

    def _object(self, node: Node, kind: str, reference: str) -> Node | None:
        """The object itself, or what `reference` names."""
        name = node.text(reference)
        found = self.library.get(kind, name) if name else node
        if found is None:
            node.note(reference, f"{name} is not kept: it is not in this file")
        return found

    def _own(self, policy: Node) -> Iterator[str]:
        """One that Sluice wrote. Its condition bears its name."""
        name = str(policy.raw["metadata"]["name"])
        tier = next(each for each in TIERS if name.startswith(each.name))
        self.own.add(tier)
        for inner in ("AlertCondition", "AlertNotificationTarget"):
            found = self.library.get(inner, name if inner == "AlertCondition" else alerting.TARGET)
            if found is not None and not alerting.own(found.raw):
                found.said.notes.append((found.path, f"is not kept: {_by(tier.severity, self.period)}"))
        yield tier.severity

    def _condition(self, node: Node) -> Iterator[str]:
        found = self._object(node, "AlertCondition", "conditionRef")
        spec = frame(found, kind="AlertCondition") if found and not alerting.own(found.raw) else None
        if found is None or spec is None:
            return
        if spec.text("description"):
            spec.note("description", "is not kept")
        word = spec.text("severity")
        if word.lower() not in _SEVERITIES:
            spec.note("severity", f"{word or 'none'} is not kept: Sluice knows page and ticket")
        self._burn(spec)
        yield word.lower()

    def _burn(self, spec: Node) -> None:
        condition = spec.child("condition")
        if condition is None:
            spec.wrong("condition", "is missing")
            return
        kind, operator = condition.text("kind") or "burnrate", condition.text("op")
        threshold, window = condition.number("threshold"), condition.text("lookbackWindow")
        after = condition.text("alertAfter")
        same = None
        if kind.lower() == "burnrate" and operator in ("gt", "gte") and threshold is not None:
            length = timedelta(minutes=minutes(window) or 0)
            same = alerting.alike(float(threshold), length, self.period)
        if same is None:
            written = f"{kind} {operator} {threshold} over {window}"
            spec.note("condition", f"{written} is not kept: {_by('page', self.period)}")
        elif after not in ("", "0m"):
            condition.note("alertAfter", f"{after} is not kept: {same.name} has a second window instead")

    def _target(self, node: Node) -> None:
        found = self._object(node, "AlertNotificationTarget", "targetRef")
        if found is None or alerting.own(found.raw):
            return
        spec = frame(found, kind="AlertNotificationTarget")
        if spec is not None:
            target = spec.text("target")
            spec.text("description")
            spec.note("target", f"{target} is not kept: Sluice tells whom its settings name")


def _when(spec: Node) -> None:
    if spec.flag("alertWhenNoData"):
        spec.note("alertWhenNoData", "is not kept: no data neither starts nor ends an alert of Sluice")
    if spec.flag("alertWhenResolved") is False:
        spec.note("alertWhenResolved", "is not kept: Sluice tells when an alert is over")
    if spec.flag("alertWhenBreaching") is False:
        spec.note("alertWhenBreaching", "is not kept: Sluice alerts when the budget burns")
