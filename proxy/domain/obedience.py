"""Whether a proxy obeys a patch, by what it shows of itself: an acknowledgement alone is no proof.

What a patch changes in clusters, listeners and routes is looked for in the proxy's `/config_dump`, and what
it changes in the runtime layer in its `/runtime`, where a key that was set by hand lies above what is served.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.domain.difference import Change, difference
from proxy.domain.likeness import (
    ENDPOINTS,
    REDACTED,
    SECTIONS,
    Plain,
    addresses,
    in_plain,
    resources_of,
    same,
)
from proxy.domain.patches import Drain, DrainProxy, RetryOff, Weights, apply_patches, parse
from proxy.domain.tier import Tier
from proxy.domain.translate import Resources, at_once, beside_table, kinds, of_proxy, routes
from proxy.domain.translate.runtime import LAYER, beneath
from proxy.domain.translate.secrets import Material
from proxy.domain.translate.tables import routes_of

CLUSTERS, LISTENERS, TABLES = SECTIONS
_OF_ROUTES = (Weights, RetryOff)
_BLANK = Material("", "", ())
_VAGUE = ("value", "numerator", "name", "@type")
_FIRST = ("num_retries", "lb_policy")
_TOLD = 3
"""So many changes are named; a patch of a listener is in each of them."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a proxy shows: sections of its dump by name, and its runtime."""

    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a proxy shows of a patch, in words. `contradicts`: it runs something else; `proven`: just this."""

    says: str
    contradicts: bool = False
    proven: bool = False


def sections(patch: Mapping[str, Any]) -> tuple[str, ...]:
    """The sections of a dump that show a patch; the runtime is always asked. Raises Invalid."""
    parsed = parse(patch)
    if isinstance(parsed, DrainProxy):
        return ()
    if isinstance(parsed, Drain):
        return (ENDPOINTS,)
    return (TABLES,) if isinstance(parsed, _OF_ROUTES) else (CLUSTERS, LISTENERS)


def read(
    base: Tier,
    patch: Mapping[str, Any],
    *,
    beside: Iterable[Mapping[str, Any]],
    proxy: str,
    shown: Shown,
    plain: Plain,
) -> Reading:
    """What the proxy of this name shows of the patch, laid over the base with those that are `beside` it.

    Raises Invalid, UnknownTarget.
    """
    if not sections(patch):
        return Reading("not shown in the dump")
    without = apply_patches(base, beside)
    before, after = (_made(base, live, patch, proxy) for live in (without, apply_patches(without, [patch])))
    if sections(patch) == (ENDPOINTS,):
        changed = _endpoints(before, after, shown.sections)
    else:
        changed = _fields(before, after, sections(patch), shown.sections, plain)
    found = [*_keys(before, after, shown.runtime), *changed]
    if not found:
        return Reading("changes nothing here: the tier is as tight without it")
    told = [each for each in found if each is not None]
    wrong = [each.says for each in told if each.contradicts]
    if wrong:
        return Reading(_listed(wrong), contradicts=True)
    if len(told) < len(found):
        return Reading("not shown in the dump")
    return Reading(_listed([each.says for each in told]), proven=True)


def _made(base: Tier, live: Tier, patch: Mapping[str, Any], proxy: str) -> Resources:
    """Without the routes that the patch leaves alone, of which there may be 10,000."""
    below, parsed = beneath(base, live), parse(patch)
    name = parsed.route if isinstance(parsed, _OF_ROUTES) else None
    few = below.model_copy(update={"routes": tuple(each for each in below.routes if each.name == name)})
    return {
        **beside_table(base, below, _BLANK),
        **of_proxy(below, proxy, _BLANK),
        **at_once(base, live),
        kinds.ROUTES: {live.name: routes.table(few)},
    }


def _keys(before: Resources, after: Resources, runtime: Mapping[str, Any]) -> Iterator[Reading | None]:
    """Of each key that the patch sets: the value that the proxy obeys, whichever layer it is from."""
    was, wanted = (each[kinds.RUNTIME][LAYER]["layer"] for each in (before, after))
    entries = runtime.get("entries")
    for key, value in wanted.items():
        if was.get(key) == value:
            continue
        if entries is None:
            yield None
            continue
        runs = str(entries.get(key, {}).get("final_value", ""))
        if same(runs, value):
            yield Reading(f"runtime {key} is {value}", proven=True)
        else:
            yield Reading(f"runtime {key} is {runs or '(none)'}, not {value}", contradicts=True)


def _endpoints(
    before: Resources, after: Resources, shown: Mapping[str, Mapping[str, Any]]
) -> Iterator[Reading | None]:
    """Of each upstream whose endpoints the patch changes: those that the proxy sends requests to."""
    rows = shown.get(ENDPOINTS, {}).get("configs", ())
    runs = {row["endpoint_config"]["cluster_name"]: addresses(row["endpoint_config"]) for row in rows}
    for name, assignment in after[kinds.ENDPOINTS].items():
        should = addresses(assignment)
        if should == addresses(before[kinds.ENDPOINTS].get(name, {})):
            continue
        if name not in runs:
            yield None
        elif runs[name] == should:
            yield Reading(f"endpoints {name} are {', '.join(sorted(should))}", proven=True)
        else:
            yield Reading(f"endpoints {name} are {', '.join(sorted(runs[name]))}", contradicts=True)


def _fields(
    before: Resources,
    after: Resources,
    asked: Iterable[str],
    shown: Mapping[str, Mapping[str, Any]],
    plain: Plain,
) -> Iterator[Reading | None]:
    """Of each field that the patch changes in these sections, in the resources that the proxy obeys."""
    for section in asked:
        kind = SECTIONS[section]
        was, should = (in_plain(each[kind].values(), plain) for each in (before, after))
        changed = difference({kind: was}, {kind: should})
        if changed and section not in shown:
            yield None
        elif changed:
            runs = in_plain(_beside(after, kind, resources_of(kind, shown[section])), plain)
            off = difference({kind: runs}, {kind: should})
            yield from (_of_change(change, off) for change in changed)


def _beside(after: Resources, kind: str, found: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Of what is shown, that which stands in `after` too; of a table the routes that do."""
    for each in found:
        wanted = after[kind].get(str(each.get("name")))
        if wanted is not None:
            yield _with_routes_of(wanted, each) if kind == kinds.ROUTES else each


def _with_routes_of(wanted: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    names = {route["name"] for host in wanted["virtual_hosts"] for route in routes_of(host)}
    hosts = [
        {"name": host["name"], "routes": [route for route in routes_of(host) if route.get("name") in names]}
        for host in table.get("virtual_hosts", ())
    ]
    return {**table, "virtual_hosts": hosts}


def _of_change(change: Change, off: tuple[Change, ...]) -> Reading:
    where = f"{change.kind} {change.name}"
    path = f"{where}: {_short(change.path)}" if change.path else where
    for other in off:
        if other.before != REDACTED and _about(change, other):
            runs = "(none)" if other.before is None else other.before
            if other.whole or change.whole:
                return Reading(f"{path} is not as it should be", contradicts=True)
            return Reading(f"{path} is {runs}, not {change.after or '(none)'}", contradicts=True)
    if change.whole:
        return Reading(f"{path} is {'gone' if change.after is None else 'there'}", proven=True)
    return Reading(f"{path} is {change.after or '(none)'}", proven=True)


def _short(path: str) -> str:
    """The field itself: where it stands within its resource is Envoy's matter."""
    *_, before, last = ["", *path.split(".")]
    return f"{before}.{last}" if last in _VAGUE else last


def _about(change: Change, other: Change) -> bool:
    """Whether one is at the other's place or within it."""
    same_resource = (change.kind, change.name) == (other.kind, other.name)
    return same_resource and (_within(change.path, other.path) or _within(other.path, change.path))


def _within(inner: str, outer: str) -> bool:
    return not outer or inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


def _listed(words: list[str]) -> str:
    """What a patch is for goes first: with no retries, all that is said of them goes too."""
    told = sorted(dict.fromkeys(words), key=lambda said: not any(name in said for name in _FIRST))
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return "; ".join(told[:_TOLD]) + more
