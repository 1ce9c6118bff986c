"""What an SLO's metadata says of an objective: its name, and what OpenSLO has no field for as annotations."""

from slo.domain.openslo.drafts import Draft
from slo.domain.openslo.frames import lost
from slo.domain.openslo.nodes import Node
from slo.domain.openslo.vocabulary import ANNOTATIONS, NUMBERS, PREFIX

_OWNERS = ("owner", "team")


def identity(metadata: Node, draft: Draft) -> None:
    """Annotations win: `sluice/name` over the object's name, `sluice/owner` over a label."""
    draft.put("name", metadata.text("name"), metadata.at("name"))
    labels, annotations = metadata.child("labels"), metadata.child("annotations")
    if annotations:
        for key in annotations.raw:
            _annotated(annotations, str(key), draft)
        lost(annotations)
    if labels:
        for owner in _OWNERS:
            _owned(labels, owner, draft)
        lost(labels)


def _owned(labels: Node, key: str, draft: Draft) -> None:
    """Who answers for it, as most files say it. A label may have several values, an objective one owner."""
    value = labels.raw.get(key)
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(one, str) and "owner" not in draft.fields:
        draft.put("owner", one, labels.at(key))
        labels.note(key, f"taken as the owner: {one}")


def _annotated(annotations: Node, key: str, draft: Draft) -> None:
    name = ANNOTATIONS.get(key)
    if name is None:
        if key.startswith(PREFIX):
            annotations.wrong(key, f"is none of Sluice's annotations: {', '.join(sorted(ANNOTATIONS))}")
        return
    if name in NUMBERS:
        value = annotations.number(key)
        draft.put(name, None if value is None else float(value), annotations.at(key))
    else:
        draft.put(name, annotations.text(key), annotations.at(key))
