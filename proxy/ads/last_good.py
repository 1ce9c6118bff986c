"""The last configuration that the database gave, on disk: a server that starts without it serves that.

No secret is in it: certificates and keys lie in their own folder, and a declaration only names files.
"""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from proxy import pki
from proxy.domain import leniency
from proxy.domain.errors import Invalid, ProxyError
from proxy.domain.patches import apply_patches
from proxy.domain.tier import Tier
from proxy.selectors import OverlayRow, Served

log = logging.getLogger("sluice.xds")

SECONDS = 1.0


@dataclass(slots=True)
class Keeper:
    """Writes what is served a little later, so that no push waits for the disk."""

    folder: Path
    _due: dict[str, Served] = field(default_factory=dict)
    _bases: dict[str, tuple[Tier, str]] = field(default_factory=dict)

    def later(self, served: Served) -> None:
        """Replaces what is kept of the tier within a second."""
        self._due[served.base.name] = served

    async def run(self) -> None:
        """For ever. A disk that refuses is told of, and tried again with the next change."""
        while True:
            await asyncio.sleep(SECONDS)
            await self.flush()

    async def flush(self) -> None:
        due, self._due = self._due, {}
        for served in due.values():
            try:
                await asyncio.get_running_loop().run_in_executor(None, self.keep, served)
            except OSError as error:
                log.warning(
                    "tier %s is not kept for a start without the database: %s", served.base.name, error
                )

    def keep(self, served: Served) -> None:
        """Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = json.dumps({"generation": served.generation, "overlays": _overlays(served)})
        text = f'{head[:-1]}, "base": {self._base(served.base)}}}'
        pki.write(self.folder / f"{served.base.name}.json", text.encode())

    def _base(self, base: Tier) -> str:
        """Spelt once a revision: a large tier takes a while, and its overlays change often."""
        known = self._bases.get(base.name)
        if known is None or known[0] is not base:
            known = self._bases[base.name] = (base, json.dumps(base.document()))
        return known[1]


def kept(folder: Path) -> Iterator[Served]:
    """Every tier that was kept. A file that is not understood is told and left out."""
    for file in sorted(folder.glob("*.json")):
        try:
            yield _served(file.stem, json.loads(file.read_text()))
        except (OSError, ValueError, KeyError, TypeError, ProxyError) as error:
            log.warning("%s is not taken: %s", file, error)


def _overlays(served: Served) -> list[dict[str, Any]]:
    times = ("created_at", "expires_at")
    rows = [asdict(row) for row in served.overlays]
    return [{**row, **{key: row[key].isoformat() for key in times}} for row in rows]


def _served(name: str, document: dict[str, Any]) -> Served:
    read = leniency.read(name, document["base"])
    if read.unread:
        raise Invalid(read.unread)
    base = read.tier
    overlays = tuple(_overlay(row) for row in document["overlays"])
    live = apply_patches(base, [row.patch for row in overlays])
    return Served(document["generation"], base, overlays, live)


def _overlay(row: dict[str, Any]) -> OverlayRow:
    times = {key: datetime.fromisoformat(row[key]) for key in ("created_at", "expires_at")}
    return OverlayRow(**{**row, **times})
