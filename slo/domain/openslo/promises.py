"""The targets of an SLO, and whether its way to count them is Sluice's: each event, or each second, alike."""

from collections.abc import Iterator

from slo.domain.openslo.drafts import Draft
from slo.domain.openslo.nodes import Node

METHODS = ("Occurrences", "Timeslices", "RatioTimeslices")
_COMPOSITE = ("indicator", "indicatorRef", "compositeWeight")
_SLICES = ("timeSliceTarget", "timeSliceWindow")


def composite(spec: Node) -> bool:
    """Whether promises have indicators of their own."""
    found = spec.raw.get("objectives")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return any(key in one for one in listed for key in _COMPOSITE[:2])


def each(spec: Node, draft: Draft) -> Iterator[tuple[Node, Draft]]:
    """Each promise with an objective of its own; several of one SLO are numbered."""
    found = spec.children("objectives")
    if not found:
        spec.wrong("objectives", "is missing: the SLO promises nothing")
        yield Node({}, spec.at("objectives"), spec.said), draft  # so that the rest is read, and told, too
    for number, promise in enumerate(found, start=1):
        own = draft.copy()
        if len(found) > 1:
            own.fields["name"] = f"{draft.text('name')}-{number}"
            promise.said.notes.append((promise.path, f"is an objective of its own: {own.text('name')}"))
        _target(promise, own)
        _refuse_composite(promise)
        if promise.text("displayName"):
            promise.note("displayName", "is not kept: an objective has a name")
        yield promise, own


def _target(promise: Node, draft: Draft) -> None:
    """In percent, as tiers declare it."""
    share, percent = promise.number("target"), promise.number("targetPercent")
    if (share is None) == (percent is None):
        promise.wrong("target", "an objective needs target or targetPercent, one of them")
        return
    key, value, most = ("target", share, 1) if share is not None else ("targetPercent", percent, 100)
    if value is None or not 0 < value < most:
        promise.wrong(key, f"must be more than 0 and less than {most}: nothing may fail has no budget")
        return
    draft.put("target", float(value * 100 / most), promise.at(key))


def _refuse_composite(promise: Node) -> None:
    for key in _COMPOSITE:
        if promise.take(key) is not None:
            promise.wrong(key, "a composite SLO is not expressible: write an SLO for each indicator")


def method(spec: Node, promise: Node, *, gauge: bool) -> None:
    """Refuses to count time slices of events: Sluice weighs by events, so that a quiet minute is no busy one.

    Of a gauge each second weighs alike, and the mean of equal slices is that of their seconds.
    """
    given = spec.text("budgetingMethod")
    if given not in METHODS:
        spec.wrong("budgetingMethod", f"must be one of {', '.join(METHODS)} (given: {given!r})")
    elif given == "Timeslices":
        why = "a slice that is good as a whole is not expressible"
        spec.wrong("budgetingMethod", f"Timeslices: {why}; Occurrences counts what is in them")
    elif given == "RatioTimeslices" and not gauge:
        why = "it weighs a quiet minute like a busy one, Sluice each event alike"
        spec.wrong("budgetingMethod", f"RatioTimeslices: {why}; Occurrences counts that")
    elif given == "RatioTimeslices":
        spec.note("budgetingMethod", "counted by the second: the same, but for slices that lack measurements")
    for key in _SLICES:
        if promise.take(key) is not None and given == "Occurrences":
            promise.note(key, "is not kept: Occurrences has no slices")
    if not gauge:
        for key in ("op", "value"):
            if promise.take(key) is not None:
                promise.note(key, "is not kept: it belongs to a thresholdMetric")
