"""Named extensions: what they are called, which message configures them, and which of them say too little."""

from proxy.domain.observing.node import Node
from proxy.domain.observing.seen import Extension

_STRUCTS = ("udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct")
# They run somebody's program: what it does to a request stands in no configuration.
_PROGRAMS = ("lua", "wasm", "golang", "dynamic_modules", "ext_proc")


def opened(node: Node) -> tuple[Extension, Node]:
    """An extension and its configuration. Vendors' extensions and programs are noted: they stay closed.

    Envoy before 1.15 wrote `config`, a loosely typed struct; a control plane may send a TypedStruct in which
    the message's name stands beside its fields; one that comes by ECDS is only named here.
    """
    name = node.get("name").text()
    config = node.get("typed_config") or node.get("config")
    kind = message(config)
    if kind in _STRUCTS:
        kind, config = (
            _type(config.get("type_url").text() or config.get("typeUrl").text()),
            config.get("value"),
        )
    if node.get("config_discovery"):
        kind = kind or "by ECDS"
    disabled = node.get("disabled").flag() is True
    _judge(node, name, kind)
    return Extension(name, kind.removeprefix("envoy."), disabled), config


def named(node: Node) -> tuple[Extension, ...]:
    """The extensions of a list, without their configurations."""
    return tuple(opened(item)[0] for item in node.items())


def message(config: Node) -> str:
    """The name of the message of a typed configuration, or ""."""
    if not isinstance(config.value, dict):
        return ""
    return _type(Node(config.value.get("@type"), config.path, config.notebook).text())


def _type(url: str) -> str:
    return url.rpartition("/")[2]


def _judge(node: Node, name: str, kind: str) -> None:
    if kind == "by ECDS":
        return
    if kind and not kind.startswith("envoy."):
        node.note(f"{name or kind} is a vendor's extension ({kind})")
    elif not kind and name and not name.startswith("envoy."):
        node.note(f"{name} is a vendor's extension, or one of an older Envoy")
    elif any(part in _PROGRAMS for part in kind.split(".")):
        node.note(f"{name} runs a program, which no configuration describes")
