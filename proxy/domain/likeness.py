"""What a proxy runs beside what it should, resource by resource and field by field.

Compared are clusters, listeners and routes in full, endpoints by their addresses, secrets by their names
(Envoy shows no more of them), and the keys of the served runtime layer. Whether a filter's separately
discovered configuration is the right one is not.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from proxy.domain.difference import difference
from proxy.domain.translate import Resources, kinds
from proxy.domain.translate.runtime import LAYER

Plain = Callable[[Mapping[str, Any]], dict[str, Any]]
"""A resource in the one form that is the same whoever wrote it."""
Sections = Mapping[str, Mapping[str, Any]]
"""Answers of `/config_dump?resource=` by the name of the section."""
IN_FULL = (kinds.CLUSTER, kinds.LISTENER, kinds.ROUTES)
SECTIONS = {
    "dynamic_active_clusters": kinds.CLUSTER,
    "dynamic_listeners": kinds.LISTENER,
    "dynamic_route_configs": kinds.ROUTES,
}
ENDPOINTS, SECRETS = "dynamic_endpoint_configs", "dynamic_active_secrets"
REDACTED = "[redacted]"
"""What Envoy shows in the place of a value that it takes for a secret, such as what an authority is told."""
MOST = 50
"""So many rows tell enough: one wrong listener may differ in hundreds of fields."""


def unlike(
    wanted: Resources, sections: Sections, runtime: Mapping[str, Any], plain: Plain
) -> tuple[str, ...]:
    """Each difference as a row: what, where, what runs, what should. A section that is not there is none."""
    rows = [
        *_in_full(wanted, sections, plain),
        *_endpoints(wanted, sections),
        *_secrets(wanted, sections),
        *_runtime(wanted, runtime),
    ]
    more = [f"and {len(rows) - MOST} more"] if len(rows) > MOST else []
    return (*rows[:MOST], *more)


def _in_full(wanted: Resources, sections: Sections, plain: Plain) -> Iterator[str]:
    kept = {kind: found for section, kind in SECTIONS.items() if (found := sections.get(section)) is not None}
    runs = {kind: in_plain(resources_of(kind, found), plain) for kind, found in kept.items()}
    should = {kind: in_plain(wanted[kind].values(), plain) for kind in kept}
    for change in difference(runs, should):
        if change.before == REDACTED:
            continue
        where = f"{change.kind} {change.name}"
        if change.path and change.whole:
            where = f"{where}: {change.path}"
        if change.whole:
            yield f"{where} is not there" if change.before is None else f"{where} runs and is not declared"
        else:
            yield f"{where}: {change.path} is {_said(change.before)}, not {_said(change.after)}"


def resources_of(kind: str, found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The resources of a section that the proxy obeys: of a listener the one that takes connections."""
    for each in found.get("configs", ()):
        if kind == kinds.LISTENER:
            yield from _present(each.get("active_state", {}).get("listener"))
        else:
            yield from _present(each.get("cluster" if kind == kinds.CLUSTER else "route_config"))


def _present(resource: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if resource is not None:
        yield resource


def in_plain(resources: Iterable[Mapping[str, Any]], plain: Plain) -> dict[str, dict[str, Any]]:
    """By name, in the form that can be compared."""
    return {each["name"]: plain(each) for each in resources}


def _endpoints(wanted: Resources, sections: Sections) -> Iterator[str]:
    found = sections.get(ENDPOINTS)
    if found is None:
        return
    runs = {}
    for each in found.get("configs", ()):
        assignment = each.get("endpoint_config", {})
        runs[assignment.get("cluster_name", "")] = addresses(assignment)
    for name, assignment in sorted(wanted[kinds.ENDPOINTS].items()):
        should = addresses(assignment)
        if runs.get(name, set()) != should:
            yield f"endpoints {name} are {_listed(runs.get(name, set()))}, not {_listed(should)}"


def addresses(assignment: Mapping[str, Any]) -> set[str]:
    """The endpoints of an assignment as `address:port`."""
    found = set()
    for locality in assignment.get("endpoints", ()):
        for each in locality.get("lb_endpoints", ()):
            address = each.get("endpoint", {}).get("address", {}).get("socket_address", {})
            found.add(f"{address.get('address')}:{address.get('port_value')}")
    return found


def _secrets(wanted: Resources, sections: Sections) -> Iterator[str]:
    found = sections.get(SECRETS)
    if found is None:
        return
    runs = {str(each.get("name")) for each in found.get("configs", ())}
    yield from (f"secret {name} is not there" for name in sorted(set(wanted[kinds.SECRET]) - runs))


def _runtime(wanted: Resources, runtime: Mapping[str, Any]) -> Iterator[str]:
    layers = runtime.get("layers", [])
    if LAYER not in layers:
        yield f"the runtime layer {LAYER} is not there"
        return
    place, entries = layers.index(LAYER), runtime.get("entries", {})
    for key, value in sorted(wanted[kinds.RUNTIME][LAYER]["layer"].items()):
        runs = entries.get(key, {}).get("layer_values", [""] * len(layers))[place]
        if not same(runs, value):
            yield f"runtime {key} is {runs or '(none)'}, not {value}"


def same(runs: str, value: Any) -> bool:
    """Envoy shows six digits of a number, and `true` as text."""
    try:
        return math.isclose(float(runs), float(value), rel_tol=1e-5)
    except (TypeError, ValueError):
        return runs == (str(value).lower() if isinstance(value, bool) else str(value))


def _said(value: str | None) -> str:
    return "(none)" if value is None else value


def _listed(addresses: set[str]) -> str:
    return ", ".join(sorted(addresses)) or "none"
