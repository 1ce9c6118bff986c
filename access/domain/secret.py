"""API tokens as text: how one is made, named and compared."""

import hashlib
import secrets

PREFIX = "sluice_"
SHOWN = len(PREFIX) + 6


def new() -> str:
    """A fresh token with 256 bits of randomness."""
    return PREFIX + secrets.token_urlsafe(32)


def shown(token: str) -> str:
    """The part that lists may show: enough to recognise a token, useless to a thief."""
    return token[:SHOWN]


def digest(token: str) -> str:
    """What is stored. A plain SHA-256: the token is random, so there is no dictionary to slow down."""
    return hashlib.sha256(token.encode()).hexdigest()
