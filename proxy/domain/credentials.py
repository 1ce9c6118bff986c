"""Files of API keys and of keys that tokens are signed with: what they hold, and what is wrong with one."""

import base64
import binascii
import json
import re
from typing import Any

from proxy.domain.errors import Unfit

MIN_KEY = 20
"""Characters: some 100 bits where they are drawn at random. A shorter key can be guessed."""

PLACEHOLDER_KEYS = "client: " + MIN_KEY * "0"
PLACEHOLDER_JWKS = """{"keys": [{"kty": "EC", "crv": "P-256",
 "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"""
"""Of the right form, where no real one may stand. The key is the example of RFC 7517, appendix A.1."""

_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_KEY = re.compile(r"[\x21-\x7e]{1,1024}")
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""What a public JSON Web Key must hold by its type (RFC 7518, section 6; RFC 8037)."""


def api_keys(text: str) -> tuple[tuple[str, str], ...]:
    """The (client, key) pairs of lines such as `acme: 8f2c...`, in their order. Raises Unfit.

    A client may have several keys, so that a new one is known before the old one goes; a key has one client.
    Empty lines and those that begin with `#` are none.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        client, colon, key = (part.strip() for part in line.partition(":"))
        if not colon or not _CLIENT.fullmatch(client) or not _KEY.fullmatch(key):
            raise Unfit(f"line {number} is not of the form `client: key`")
        if len(key) < MIN_KEY:
            raise Unfit(f"line {number} has a key of fewer than {MIN_KEY} characters, which can be guessed")
        if key in found:
            raise Unfit(f"line {number} has a key that stands there already")
        found[key] = client
    if not found:
        raise Unfit("holds no key")
    return tuple((client, key) for key, client in found.items())


def check_jwks(text: str) -> None:
    """That it is a JSON Web Key Set with keys that verify a signature, and no more. Raises Unfit."""
    keys = _keys(text)
    if not keys:
        raise Unfit("holds no key: every token would be refused")
    for number, key in enumerate(keys):
        kind = key.get("kty") if isinstance(key, dict) else None
        if kind == "oct" or (isinstance(key, dict) and "d" in key):
            raise Unfit(f"has at keys[{number}] a key that signs: a proxy's configuration dump shows it")
        members = _MEMBERS.get(kind) if isinstance(kind, str) else None
        if members is None:
            raise Unfit(f"has at keys[{number}] no key of the types {', '.join(_MEMBERS)}")
        for member in members:
            if not _is_member(member, key.get(member)):
                raise Unfit(f"has at keys[{number}] no {member}")


def _keys(text: str) -> list[Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise Unfit("is not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise Unfit('is no JSON Web Key Set: it has no list "keys"')
    return keys


def _is_member(name: str, value: Any) -> bool:
    if not isinstance(value, str) or not value:
        return False
    if name == "crv":
        return True
    try:
        base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
