"""The session ticket keys of a tier on disk: one file, replaced whole, readable by its owner only.

They stand nowhere else. A key that is in no file any more decrypts nothing that was recorded before.
"""

import base64
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from proxy import pki
from proxy.domain.errors import Unreadable
from proxy.domain.tickets import KEY_BYTES, Ring, TicketKey

FILE = "tickets.json"


def fresh() -> bytes:
    """A new key."""
    return os.urandom(KEY_BYTES)


def ensure(directory: Path, tier: str, *, now: datetime) -> Ring:
    """The tier's keys; the first is made where there is none. Needs `pki.locked`."""
    path = directory / tier / FILE
    if not path.is_file():
        write(directory, tier, Ring(TicketKey(fresh(), now)))
    return read(directory, tier)


def read(directory: Path, tier: str) -> Ring:
    """Raises OSError where there is no such file, and Unreadable for one that holds something else."""
    path = directory / tier / FILE
    try:
        return _ring(json.loads(path.read_text()))
    except (KeyError, TypeError, ValueError) as error:
        anew = "remove it, and the ADS server makes new keys: each client makes one full handshake more"
        raise Unreadable(f"{path} is damaged: {anew}") from error


def write(directory: Path, tier: str, ring: Ring) -> None:
    """In the place of what was there."""
    (directory / tier).mkdir(parents=True, exist_ok=True, mode=0o700)
    pki.write(directory / tier / FILE, json.dumps(_document(ring), indent=2).encode())


def _document(ring: Ring) -> dict[str, Any]:
    return {
        "encrypting": _key_document(ring.encrypting),
        "joining": _key_document(ring.joining) if ring.joining else None,
        "generation": ring.generation,
        "retired": [_key_document(key) for key in ring.retired],
    }


def _key_document(key: TicketKey) -> dict[str, Any]:
    return {
        "secret": base64.b64encode(key.secret).decode(),
        "made_at": key.made_at.isoformat(),
        "retired_at": key.retired_at.isoformat() if key.retired_at else None,
    }


def _ring(document: dict[str, Any]) -> Ring:
    return Ring(
        encrypting=_key(document["encrypting"]),
        joining=_key(document["joining"]) if document["joining"] else None,
        generation=document["generation"],
        retired=tuple(_key(item) for item in document["retired"]),
    )


def _key(document: dict[str, Any]) -> TicketKey:
    retired = document["retired_at"]
    secret = base64.b64decode(document["secret"])
    if len(secret) != KEY_BYTES:
        raise ValueError(f"a ticket key has {KEY_BYTES} bytes")
    return TicketKey(
        secret,
        datetime.fromisoformat(document["made_at"]),
        datetime.fromisoformat(retired) if retired else None,
    )
