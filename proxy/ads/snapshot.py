"""What one proxy should run, encoded: bytes and a version a kind of resource."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from proxy import pki, schema
from proxy.domain.errors import Invalid
from proxy.domain.tier import Tier
from proxy.domain.translate import kinds, references, resources

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
    """Everything that one proxy should run, and the tier's generation that it shows."""

    generation: int
    kinds: Mapping[str, Resources]


def pack(named: Mapping[str, bytes]) -> Resources:
    """The resources with their version."""
    digest = hashlib.sha256()
    for name in sorted(named):
        digest.update(name.encode() + b"\0" + named[name] + b"\0")
    return Resources(digest.hexdigest()[:16], named)


def snapshots(
    *, base: Tier, live: Tier, generation: int, pki_directory: Path, now: datetime
) -> dict[str, Snapshot]:
    """A snapshot for each proxy of the tier. Raises Invalid; nothing that is wrong is ever served."""
    material = pki.ensure(pki_directory, base, now=now)
    found = {}
    for proxy in base.proxies:
        made = resources(base=base, live=live, proxy=proxy.name, material=material)
        problems = references.problems(made)
        if problems:
            raise Invalid(problems)
        encoded = {
            kind: pack({name: schema.bundled().encode(item) for name, item in named.items()})
            for kind, named in made.items()
        }
        found[proxy.name] = Snapshot(generation, encoded)
    return found
