"""What one proxy should run, encoded: bytes and a version a kind of resource."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy import schema
from proxy.ads import route_tables
from proxy.ads.route_tables import Table
from proxy.domain.errors import Invalid
from proxy.domain.tier import Tier
from proxy.domain.translate import Resources as Made
from proxy.domain.translate import (
    beside_table,
    extensions,
    joined,
    kinds,
    of_proxy,
    references,
    secrets,
    secrets_of_proxy,
)
from proxy.domain.translate.runtime import LAYER, beneath, moved, resource, standing_keys
from proxy.domain.translate.secrets import Material

KINDS = (kinds.RUNTIME, *kinds.MAKE_BEFORE_BREAK)


@dataclass(frozen=True, slots=True)
class Resources:
    """Encoded resources of one kind by name. The version is their digest, so that equal content has one
    version.
    """

    version: str
    named: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one proxy should run, and the tier's generation that it shows.

    A `stale` one was made without the database: another server may have given the proxies something newer.
    What bears a version that is `known` here is not that.
    """

    generation: int
    kinds: Mapping[str, Resources]
    stale: bool = False
    known: frozenset[str] = frozenset()


def pack(named: Mapping[str, bytes]) -> Resources:
    """The resources with their version."""
    digest = hashlib.sha256()
    for name in sorted(named):
        digest.update(name.encode() + b"\0" + named[name] + b"\0")
    return Resources(digest.hexdigest()[:16], named)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What each proxy of a tier runs beneath the runtime layer, encoded, and what that was made from.

    `keys` are those of the base's layer; `listeners` are plain data, by proxy.
    """

    base: Tier
    below: Tier
    material: Material
    table: Table
    listeners: Mapping[str, Mapping[str, Any]]
    proxies: Mapping[str, Mapping[str, Resources]]
    keys: Mapping[str, Any]


@dataclass(slots=True)
class Renderer:
    """Makes snapshots, and keeps what lies beneath the runtime layers.

    A change of weights or retry budgets costs the layer alone, one of endpoints or of a route's retries what
    it changes, however many routes the tier has: 10,000 of them take seconds to make and encode. One caller
    at a time.
    """

    _standing: dict[str, _Standing] = field(default_factory=dict)

    def snapshots(
        self, *, base: Tier, live: Tier, generation: int, material: Material
    ) -> dict[str, Snapshot]:
        """A snapshot for each proxy of the tier. Raises Invalid; nothing that is wrong is ever served."""
        below = beneath(base, live)
        standing = self._standing.get(base.name)
        if standing is None or (standing.base, standing.below, standing.material) != (base, below, material):
            standing = self._standing[base.name] = _stand(base, below, material, standing)
        now_runs = resource({**standing.keys, **moved(base, live)})
        runtime = _encoded({kinds.RUNTIME: {LAYER: now_runs}})
        return {name: Snapshot(generation, {**own, **runtime}) for name, own in standing.proxies.items()}


def _stand(base: Tier, below: Tier, material: Material, old: _Standing | None) -> _Standing:
    """Made from the old one where that is alike, and else from nothing."""
    last = old if old is not None and route_tables.alike(old.below, below) else None
    table = route_tables.renewed(last.table, below) if last else route_tables.whole(below)
    kept = last is not None and last.below.limits == below.limits
    listeners = last.listeners if last and kept else _listeners(below, material)
    shared = {
        **beside_table(base, below, material),
        kinds.ROUTES: {base.name: {"virtual_hosts": table.fresh}},
    }
    own = {
        name: {kinds.LISTENER: listening, kinds.SECRET: secrets_of_proxy(below, name, material)}
        for name, listening in listeners.items()
    }
    _check(base, material, shared, own)
    encoded = {**_encoded({**shared, kinds.ROUTES: {}}), kinds.ROUTES: pack({base.name: table.encoded()})}
    proxies = {name: _beside(encoded, _encoded(made)) for name, made in own.items()}
    return _Standing(base, below, material, table, listeners, proxies, standing_keys(base))


def _listeners(below: Tier, material: Material) -> dict[str, Mapping[str, Any]]:
    names = [proxy.name for proxy in below.proxies]
    return {name: of_proxy(below, name, material)[kinds.LISTENER] for name in names}


def _check(base: Tier, material: Material, shared: Made, own: Mapping[str, Made]) -> None:
    withheld = secrets.withheld(base, material) | extensions.withheld(base, material)
    problems = references.problems(joined(shared, own), withheld=withheld)
    if problems:
        raise Invalid(problems)


def _beside(shared: Mapping[str, Resources], own: Mapping[str, Resources]) -> dict[str, Resources]:
    """A proxy's own with what all have; a secret of its own stands beside theirs."""
    held, more = shared[kinds.SECRET], own[kinds.SECRET].named
    return {**shared, **own, kinds.SECRET: pack({**held.named, **more}) if more else held}


def _encoded(made: Made) -> dict[str, Resources]:
    encode = schema.bundled().encode
    return {kind: pack({name: encode(item) for name, item in named.items()}) for kind, named in made.items()}
