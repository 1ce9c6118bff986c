"""What an authorisation server says of a token, and what follows from it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proxy.authoriser import is_safe
from proxy.domain.introspection import Ages, Introspected, Known, challenge, outcome, read, token_of

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
AGES = Ages(most=timedelta(seconds=30), bad=timedelta(seconds=10))


def at(seconds: float) -> float:
    return NOW.timestamp() + seconds


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc.d-e_f~g+h/i==", "abc.d-e_f~g+h/i=="),
        ("bearer  abc", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer a b", None),
        ("Bearer a,Bearer b", None),
        ("Bearer " + 9000 * "a", None),
    ],
)
def test_a_token_is_what_a_bearer_shows(header: str, token: str | None) -> None:
    assert token_of(header) == token


@pytest.mark.parametrize(
    ("document", "active", "seconds"),
    [
        ({"active": False}, False, 10),
        ({"active": True}, True, 30),
        ({"active": True, "exp": at(5)}, True, 5),
        ({"active": True, "exp": at(500)}, True, 30),
        ({"active": True, "exp": at(0)}, False, 10),
        ({"active": True, "nbf": at(1)}, False, 10),
    ],
)
def test_a_token_is_believed_for_a_while_and_never_beyond_its_end(
    document: dict[str, Any], active: bool, seconds: float
) -> None:
    found = read(document, AGES, now=NOW)
    assert (found.active, found.until) == (active, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"active": "true"},
        {"active": 1},
        {"active": True, "exp": "soon"},
        {"active": True, "exp": 1e30},
    ],
)
def test_an_answer_that_is_none_says_nothing(document: Any) -> None:
    with pytest.raises(ValueError, match="answer"):
        read(document, AGES, now=NOW)


def test_what_cannot_stand_in_a_header_is_not_told() -> None:
    document = {"active": True, "sub": "ann\r\nx-user: root", "client_id": 7, "scope": "read"}
    assert read(document, AGES, now=NOW).told == {"x-sluice-scope": "read"}


def test_all_scopes_and_the_audience_are_needed() -> None:
    found = read({"active": True, "scope": "read write", "aud": ["shop"]}, AGES, now=NOW)
    assert outcome(found, scopes=["read", "write"], audience="shop") == "let through"
    assert outcome(found, scopes=["read", "admin"], audience="shop") == "too little scope"
    assert outcome(found, scopes=[], audience="other") == "bad token"
    assert challenge("too little scope", {"write", "read"}).endswith('scope="read write"')


def test_answers_are_forgotten_when_they_are_old_or_many() -> None:
    known = Known(capacity=2)
    for token in ("a", "b", "c"):
        known.keep(token, Introspected(True, NOW + timedelta(seconds=10)))
    assert known.get("a", now=NOW) is None
    assert known.get("c", now=NOW) is not None
    assert known.get("c", now=NOW + timedelta(seconds=10)) is None
    assert "'c'" not in repr(known)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://as.test/introspect", True),
        ("http://127.0.0.1:8080/introspect", True),
        ("http://as.test/introspect", False),
        ("http://127.0.0.1.as.test/", False),
        ("ftp://as.test/", False),
        ("as.test", False),
    ],
)
def test_tokens_go_over_tls_or_to_this_machine(url: str, safe: bool) -> None:
    assert is_safe(url) is safe
