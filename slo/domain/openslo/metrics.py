"""From OpenSLO's indicators to what an objective counts: good or bad of total, or a gauge in its bounds."""

from decimal import Decimal

from slo.domain.openslo.drafts import Draft
from slo.domain.openslo.library import Library
from slo.domain.openslo.nodes import Node
from slo.domain.openslo.rates import Unclear, rate

_QUERIES = ("query", "promql")
"""What tools call the PromQL in a metric source, which the standard leaves open."""
_SIDES = {"lte": "at_most", "gte": "at_least"}
_STRICT = {"lt": "<", "gt": ">"}
UNWEIGHED = "a ratio that is computed already has no events to weigh it by: give good or bad, and total"


def query(metric: Node, library: Library) -> tuple[str, str]:
    """The metric's PromQL and its place; empty where it is of another source."""
    source = metric.child("metricSource")
    if source is None:
        metric.wrong("metricSource", "is missing")
        return "", metric.path
    asked, spec = _of_prometheus(source, library), source.child("spec")
    if spec is None:
        source.wrong("spec", "is missing: Prometheus needs its query")
        return "", source.path
    if spec.text("queryType").lower() not in ("", "promql"):
        spec.wrong("queryType", "Sluice asks Prometheus, in PromQL")
    key = next((key for key in _QUERIES if spec.raw.get(key)), _QUERIES[0])
    found = spec.text(key)
    if not asked:
        spec.taken.update(spec.raw)
        return "", spec.at(key)
    if not found:
        spec.wrong(key, "is missing: PromQL of one series")
    for other in sorted(spec.raw.keys() - spec.taken):
        spec.wrong(other, "is not understood: of Prometheus the query is all that is asked")
    return found, spec.at(key)


def _of_prometheus(source: Node, library: Library) -> bool:
    """Whether it is; told where it is not."""
    kind, reference = source.text("type"), source.text("metricSourceRef")
    where = "type"
    if reference:
        source.note("metricSourceRef", f"{reference} is not kept: Sluice asks the Prometheus of its settings")
        known = library.get("DataSource", reference)
        if known is not None and not kind:
            spec = known.child("spec")
            kind, where = (spec.text("type") if spec else ""), "metricSourceRef"
    if kind.lower() == "prometheus":
        return True
    hint = "if its series are in Sluice's Prometheus, write type: Prometheus"
    source.wrong(where, f"{kind or 'of no known type'}: Sluice reads its own Prometheus only; {hint}")
    return False


def ratio(metric: Node, library: Library, draft: Draft) -> None:
    """Kind `ratio`, in events a second."""
    counter = metric.flag("counter")
    if metric.take("raw") is not None:
        metric.wrong("raw", UNWEIGHED)
        metric.take("rawType")
        return
    if metric.text("rawType"):
        metric.wrong("rawType", "belongs to raw, and only there")
    draft.put("kind", "ratio", metric.path)
    sides = {side: found for side in ("good", "bad", "total") if (found := metric.child(side)) is not None}
    for side, found in sides.items():
        draft.put(side, *_events(found, counter, library))
    if "total" not in sides:
        metric.wrong("total", "is missing: good or bad is measured against it")
    if ("good" in sides) == ("bad" in sides):
        metric.wrong("good", "a ratio needs good or bad, one of them")


def _events(metric: Node, counter: bool | None, library: Library) -> tuple[str, str]:
    found, place = query(metric, library)
    if not found:
        return "", place
    try:
        taken = rate(found, counter=counter)
    except Unclear as error:
        metric.said.problems.append((place, str(error)))
        return found, place
    if taken.why:
        metric.said.notes.append((place, taken.why))
    return taken.promql, place


def gauge(metric: Node, promise: Node, library: Library, draft: Draft) -> None:
    """Kind `gauge`, good while it keeps to the value of the promise."""
    found, place = query(metric, library)
    operator, value = promise.text("op"), promise.number("value")
    draft.put("kind", "gauge", metric.path)
    draft.put("gauge", found, place)
    if value is None:
        promise.wrong("value", "is missing: what the metric is compared with")
    elif operator in _SIDES:
        draft.put(_SIDES[operator], float(value), promise.at("value"))
    elif operator in _STRICT:
        draft.put("gauge", _strictly(found, operator, value), place)
        draft.put("at_least", 1.0, promise.at("value"))
        promise.note(
            "op", f"{operator}: bounds here include their edge: taken as {draft.text('gauge')}, >= 1"
        )
    else:
        promise.wrong("op", f"must be lte, gte, lt or gt (given: {operator!r})")


def _strictly(promql: str, operator: str, value: Decimal) -> str:
    """1 while it holds and 0 while not. NaN is no measurement, and would be 0."""
    end = "\n" if "#" in promql else ""
    return f"(({promql}{end}) >= -Inf) {_STRICT[operator]} bool {value:f}"
