"""Reading the configuration of an Envoy that somebody else drives: a `/config_dump`, or its bootstrap.

Any version, any control plane, whole or in part. Pure, and it never raises: what is not understood is named
in `Seen.notes`.
"""

import hashlib
import json
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from proxy.domain.observing import clusters, listeners, process, routes
from proxy.domain.observing.extensions import opened
from proxy.domain.observing.managers import is_one
from proxy.domain.observing.node import Node, Notebook
from proxy.domain.observing.sections import Sections, entries, is_bootstrap
from proxy.domain.observing.seen import Cluster, Listener, Note, Seen, Source, State, Table

__all__ = ["Note", "Seen", "digest", "document", "read", "read_text", "restored"]

_SEEN = TypeAdapter(Seen)


def read_text(text: str) -> Seen:
    """The same as `read`, of JSON or YAML. What is neither is seen as nothing, with a note."""
    try:
        return read(_parsed(text))
    except RecursionError:
        return _nothing("nested too deeply")
    except (yaml.YAMLError, ValueError) as error:
        return _nothing(f"neither JSON nor YAML: {' '.join(str(error).split())[:160]}")


def read(document: Any) -> Seen:
    """What a dump or a bootstrap says, as plain data of JSON's kinds."""
    notebook = Notebook()
    root = Node({"configs": document} if isinstance(document, list) else document, "", notebook)
    found = Sections()
    dump = bool(root.get("configs")) if isinstance(root.value, dict) else False
    if not dump and isinstance(root.value, dict) and is_bootstrap(root):
        found.add_bootstrap(root)
        return _seen(found, "bootstrap", notebook)
    for entry in entries(root):
        found.add(entry)
    return _seen(found, _source(found, dump), notebook)


def document(seen: Seen) -> dict[str, Any]:
    """The picture as JSON data, to be kept."""
    kept: dict[str, Any] = _SEEN.dump_python(seen, mode="json")
    return kept


def digest(kept: dict[str, Any]) -> str:
    """The same for equal pictures."""
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def restored(kept: dict[str, Any]) -> Seen | None:
    """A kept picture; None where another version of Sluice kept it, until it is read anew."""
    try:
        return _SEEN.validate_python(kept)
    except ValidationError:
        return None


def _source(found: Sections, dump: bool) -> Source:
    if not found.known:
        return "nothing"
    return "config dump" if dump else "bootstrap" if found.bootstrap else "resources"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe


def _nothing(why: str) -> Seen:
    return Seen(source="nothing", notes=(Note("", why),))


def _seen(found: Sections, source: Source, notebook: Notebook) -> Seen:
    bootstrap = found.bootstrap
    assigned = {each.get("cluster_name").text(): clusters.count(each) for each in found.assignments}
    for each in found.filters:
        opened(each)
    seen_listeners = _once([(listeners.listener(node, state), state) for node, state in found.listeners])
    return Seen(
        source=source,
        node=bootstrap.at("node", "id").text() if bootstrap else "",
        cluster=bootstrap.at("node", "cluster").text() if bootstrap else "",
        version=_version(bootstrap) if bootstrap else "",
        control_plane=process.control_plane(bootstrap) if bootstrap else (),
        admin=process.admin(bootstrap.get("admin")) if bootstrap else None,
        overload=process.overload(bootstrap.get("overload_manager")) if bootstrap else None,
        stats=process.stats(bootstrap) if bootstrap else None,
        listeners=seen_listeners,
        tables=_tables(found),
        clusters=_once([(clusters.cluster(node, state, assigned), state) for node, state in found.clusters]),
        refusals=tuple(found.refusals),
        notes=notebook.notes(),
    )


def _tables(found: Sections) -> tuple[Table, ...]:
    """The tables of the routes' section, and those that stand in connection managers, each once by name."""
    tables = [(routes.table(node, state), state) for node, state in found.tables]
    held = {table.name for table, _ in tables}
    for node, state in found.listeners:
        for inline in _inline(node):
            table = routes.table(inline, state)
            if table.name not in held:
                tables.append((table, state))
    return tuple(table for table, _ in tables)


def _inline(listener: Node) -> list[Node]:
    chains = [*listener.get("filter_chains").items(), listener.get("default_filter_chain")]
    filters = [opened(each) for chain in chains for each in chain.get("filters").items()]
    return [
        config.get("route_config")
        for extension, config in filters
        if is_one(extension) and config.get("route_config")
    ]


def _once(rows: list[tuple[Any, State]]) -> tuple[Any, ...]:
    """Static parts stand in the bootstrap and again in their own section."""
    found: dict[tuple[str, State], Listener | Cluster] = {}
    for row, state in rows:
        found.setdefault((row.name, state), row)
    return tuple(found.values())


def _version(bootstrap: Node) -> str:
    node = bootstrap.get("node")
    numbers = node.at("user_agent_build_version", "version")
    parts = [numbers.get(key).number() for key in ("major_number", "minor_number", "patch")]
    if not numbers:
        # Before 1.14: `<commit>/1.11.0-dev/Clean/RELEASE/BoringSSL`.
        old = node.get("build_version").text().split("/")
        return node.get("user_agent_version").text() or (old[1] if len(old) > 1 else "")
    return ".".join(f"{part or 0:.0f}" for part in parts)
