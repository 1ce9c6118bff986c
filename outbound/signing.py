"""How a request is signed, and what it says of itself."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

SIGNATURE_HEADER = "Sluice-Signature"
TIMESTAMP_HEADER = "Sluice-Timestamp"
DELIVERY_HEADER = "Sluice-Delivery"
EVENT_HEADER = "Sluice-Event"
LONGEST_URL = 2000


def checked(url: str) -> str:
    """The same address. Raises ValueError for one that no request may have, whoever serves it."""
    parts = urlsplit(url)
    if len(url) > LONGEST_URL:
        raise ValueError(f"must have at most {LONGEST_URL} characters")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that begins with https:// (or http:// for a listed host)")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("must hold no user, password or fragment: the secret signs, it is not sent")
    if any(ord(letter) <= 32 or ord(letter) > 126 for letter in url):
        raise ValueError("must hold no spaces, control or non-ASCII characters: escape them")
    _ = parts.port  # raises ValueError where it is no port
    return url


def shown(url: str) -> str:
    """The address without its query, which some services keep a token in."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """`v1=` and the hexadecimal HMAC-SHA256, by `secret`, of the Unix seconds, a full stop and the body.

    The timestamp is signed, so that what was recorded cannot be sent again later.
    """
    signed = f"{timestamp}.".encode() + body
    return f"v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}"


def headers(*, secret: bytes, timestamp: int, body: bytes, event: str, delivery: int | str) -> dict[str, str]:
    """All that is sent beside the body. `delivery` stays the same when a request is repeated."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "sluice-hooks",
        EVENT_HEADER: event,
        DELIVERY_HEADER: str(delivery),
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: signature(secret, timestamp, body),
    }


def body_of(content: Mapping[str, Any]) -> bytes:
    """The content as it is signed and sent."""
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
