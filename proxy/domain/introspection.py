"""OAuth token introspection (RFC 7662): what an authorisation server said of a token, and what follows."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Outcome = Literal["let through", "no token", "bad token", "too little scope"]

MAX_TOKEN = 8192
"""Characters. A longer one is asked of nobody."""

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)  # RFC 6750, section 2.1
_TOLD = re.compile(r"[\x20-\x7e]{1,1024}")
_HEADERS = {"sub": "x-sluice-sub", "client_id": "x-sluice-client-id", "scope": "x-sluice-scope"}
IDENTITY_HEADERS = tuple(_HEADERS.values())
"""What a backend is told of a token that is let through. Clients' own such headers are taken off."""


@dataclass(frozen=True, slots=True)
class Introspected:
    """What is known of a token until `until`. Of one that is not `active` nothing else is."""

    active: bool
    until: datetime
    scopes: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ages:
    """How long an answer is believed. A token that is revoked goes on for `most` at the longest."""

    most: timedelta = timedelta(seconds=30)
    bad: timedelta = timedelta(seconds=10)


def token_of(authorization: str) -> str | None:
    """The token of an Authorization header; None where it is no bearer's."""
    found = _BEARER.fullmatch(authorization.strip())
    return found[1] if found is not None and len(found[1]) <= MAX_TOKEN else None


def read(document: Any, ages: Ages, *, now: datetime) -> Introspected:
    """An authorisation server's answer. Raises ValueError where it is none: then nothing is known."""
    if not isinstance(document, dict) or not isinstance(document.get("active"), bool):
        raise ValueError('the answer has no "active" that is true or false')
    begins, ends = _moment(document.get("nbf")), _moment(document.get("exp"))
    if not document["active"] or (begins is not None and begins > now) or (ends is not None and ends <= now):
        return Introspected(False, now + ages.bad)
    until = now + ages.most if ends is None else min(ends, now + ages.most)
    told = {header: document.get(member) for member, header in _HEADERS.items()}
    return Introspected(
        True,
        until,
        scopes=frozenset(_words(document.get("scope"))),
        audiences=frozenset(_list(document.get("aud"))),
        told={key: text for key, text in told.items() if isinstance(text, str) and _TOLD.fullmatch(text)},
    )


def outcome(found: Introspected, *, scopes: Collection[str], audience: str | None) -> Outcome:
    """A token that was issued for another audience is a bad one; all scopes are needed."""
    if not found.active or (audience is not None and audience not in found.audiences):
        return "bad token"
    return "let through" if found.scopes.issuperset(scopes) else "too little scope"


def challenge(why: Outcome, scopes: Collection[str]) -> str:
    """The WWW-Authenticate header of a refusal (RFC 6750, section 3)."""
    if why == "no token":
        return "Bearer"
    if why == "bad token":
        return 'Bearer error="invalid_token"'
    return f'Bearer error="insufficient_scope", scope="{" ".join(sorted(scopes))}"'


@dataclass(slots=True)
class Known:
    """Answers until they grow old, the `capacity` last used of them. Tokens are kept as digests only."""

    capacity: int = 50_000
    _answers: "OrderedDict[bytes, Introspected]" = field(default_factory=OrderedDict)

    def get(self, token: str, *, now: datetime) -> Introspected | None:
        """None where nothing is known any more."""
        digest = _digest(token)
        found = self._answers.get(digest)
        if found is None:
            return None
        if found.until <= now:
            del self._answers[digest]
            return None
        self._answers.move_to_end(digest)
        return found

    def keep(self, token: str, found: Introspected) -> None:
        self._answers[_digest(token)] = found
        while len(self._answers) > self.capacity:
            self._answers.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _moment(seconds: Any) -> datetime | None:
    """Raises ValueError where a time is none: a token of unknown end is not one without an end."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError("a time in the answer is no number")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except OverflowError as error:
        raise ValueError("a time in the answer is beyond all calendars") from error


def _words(scope: Any) -> list[str]:
    return scope.split() if isinstance(scope, str) else []


def _list(aud: Any) -> list[str]:
    given = [aud] if isinstance(aud, str) else aud if isinstance(aud, list) else []
    return [item for item in given if isinstance(item, str)]
