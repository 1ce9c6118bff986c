"""The frame that every object of OpenSLO has around its spec, as far as Sluice keeps it."""

from slo.domain.openslo.nodes import Node


def frame(node: Node, *, kind: str = "") -> Node | None:
    """The object's spec, None where it has none. What its metadata says beside the name is told as lost."""
    given = node.text("kind")
    if kind and given and given != kind:
        node.wrong("kind", f"must be {kind} (given: {given!r})")
    node.take("apiVersion")
    metadata = node.child("metadata")
    if metadata:
        metadata.take("name")
        lost(metadata)
    spec = node.child("spec")
    if spec is None:
        node.wrong("spec", "is missing")
    return spec


def lost(node: Node) -> None:
    """Tells each key that nobody took as not kept: whatever a person wrote for people or other tools."""
    for key, value in node.raw.items():
        if value is not None and key not in node.taken:
            node.note(key, "is not kept: Sluice has no place for it")
