"""An OpenSLO file as objectives that a tier can declare, and all that is refused or not kept of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from proxy.domain import document
from proxy.domain.errors import Problem
from proxy.domain.tier import Objective as Declared
from slo.domain import objectives
from slo.domain.openslo import alerting, metrics, periods, policies, promises, write
from slo.domain.openslo.drafts import Draft
from slo.domain.openslo.frames import frame, lost
from slo.domain.openslo.identity import identity
from slo.domain.openslo.library import Library, library
from slo.domain.openslo.nodes import Node, Remarks


@dataclass(frozen=True, slots=True)
class Found:
    """One objective of the file, of an OpenSLO service. `at` is its SLO, `paths` say where each field is."""

    declared: Declared
    service: str
    at: str
    paths: Mapping[str, str]

    def path(self, name: str) -> str:
        """The place in the file of a field of the objective."""
        return self.paths.get(name, self.at)


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds. With a problem nothing of it may be taken; `notes` are what is not kept, or is taken
    otherwise than it is written.
    """

    found: tuple[Found, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def read(text: str) -> Read:
    """Everything that is wrong is told, not only the first. Raises Invalid where it is no YAML."""
    said = Remarks()
    objects = library(document.stream(text), said)
    found = [one for node in objects.slos() for one in _slo(node, objects)]
    for node in objects.read("DataSource"):
        _data_source(node)
    said.notes += _unread(objects)
    said.problems += [problem for node in _strange(objects) for problem in node.left()]
    if not found and not said.problems:
        said.problems.append(("", "the file holds no SLO"))
    return Read(tuple(found), tuple(dict.fromkeys(said.problems)), tuple(dict.fromkeys(said.notes)))


def _strange(objects: Library) -> Iterator[Node]:
    """What was read key by key: of Sluice's own there is nothing to be told."""
    yield from (node for node in objects.read() if not _own(node))


def _own(node: Node) -> bool:
    name = str(node.raw["metadata"]["name"])
    return alerting.own(node.raw) or node.raw == write.service(name)


def _unread(objects: Library) -> Iterator[Problem]:
    for node in objects.unread():
        if not _own(node):
            yield node.path, "is not kept: no SLO of this file refers to it"


def _data_source(node: Node) -> None:
    spec = frame(node)
    if spec:
        for key in ("type", "description", "connectionDetails"):
            spec.take(key)


def _slo(node: Node, objects: Library) -> Iterator[Found]:
    """The objectives of one SLO: as many as it has targets."""
    said = len(node.said.problems)
    draft = Draft()
    metadata, spec = node.child("metadata"), node.child("spec")
    node.take("apiVersion")
    node.take("kind")
    if metadata is None or spec is None:
        node.wrong("spec", "is missing")
        return
    identity(metadata, draft)
    periods.period(spec, draft)
    sli = _indicator(spec, objects)
    _describe(draft, metadata, spec, sli)
    lost(metadata)
    service = _service(spec, objects)
    draft.paths["service"] = spec.at("service")
    given = policies.severity(spec, objects, draft.text("severity"), draft.period)
    draft.put("severity", given, draft.paths.get("severity", spec.at("alertPolicies")))
    made = [_measured(spec, promise, sli, objects, own) for promise, own in promises.each(spec, draft)]
    if len(node.said.problems) == said:
        yield from (found for one in made for found in _declared(one, service, node, sli))


def _describe(draft: Draft, metadata: Node, spec: Node, sli: Node | None) -> None:
    """The first that is there: what else people wrote for people is told as lost."""
    places = [(spec, "description"), (metadata, "displayName"), *([(sli, "description")] if sli else [])]
    for node, key in places:
        text = node.text(key)
        if text and "description" not in draft.fields:
            draft.put("description", text, node.at(key))
        elif text and text != draft.text("description"):
            node.note(key, "is not kept: an objective has one description")


def _service(spec: Node, objects: Library) -> str:
    name = spec.text("service")
    found = objects.get("Service", name)
    if found and not _own(found):
        inner = frame(found)
        if inner and inner.text("description"):
            inner.note("description", "is not kept: a tier has none")
    return name


def _indicator(spec: Node, objects: Library) -> Node | None:
    """The spec of the SLI that stands here or is referred to; None where there is none, which is told unless
    each promise has its own.
    """
    inline, reference = spec.child("indicator"), spec.text("indicatorRef")
    if inline and reference:
        spec.wrong("indicatorRef", "an SLO has its indicator here or elsewhere: leave one out")
    found = inline or (objects.get("SLI", reference) if reference else None)
    if found:
        return frame(found, kind="SLI")
    if reference:
        spec.wrong("indicatorRef", f"there is no SLI {reference} in this file")
    elif not promises.composite(spec):
        spec.wrong("indicator", "is missing: what is measured")
    return None


def _measured(spec: Node, promise: Node, sli: Node | None, objects: Library, draft: Draft) -> Draft:
    """With what the SLO measures; of a kind of Sluice's own that is known already."""
    ratio, threshold = (sli.child(key) if sli else None for key in ("ratioMetric", "thresholdMetric"))
    promises.method(spec, promise, gauge=threshold is not None)
    if sli and (ratio is None) == (threshold is None):
        sli.wrong("ratioMetric", "an SLI needs ratioMetric or thresholdMetric, one of them")
    elif ratio is not None and "kind" in draft.fields:
        ratio.taken.update(ratio.raw)
    elif ratio is not None:
        metrics.ratio(ratio, objects, draft)
    elif threshold is not None:
        metrics.gauge(threshold, promise, objects, draft)
    return draft


def _declared(draft: Draft, service: str, node: Node, sli: Node | None) -> Iterator[Found]:
    try:
        declared = Declared.model_validate(draft.fields)
    except ValidationError as error:
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else "kind"
            node.said.problems.append((draft.paths.get(name, node.path), document.worded(item)))
        return
    found = Found(declared, service, node.path, draft.paths)
    if sli and declared.kind not in ("ratio", "gauge"):
        written = write.indicator(objectives.declared_as(service, declared))
        if any(sli.raw.get(key) != value for key, value in written.items()):
            sli.note("ratioMetric", "is not read: sluice/kind says what is counted")
    yield found
