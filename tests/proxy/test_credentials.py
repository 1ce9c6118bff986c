"""Files of keys: what is taken, and that no word about a mistake holds a key."""

import json

import pytest

from proxy.domain import credentials
from proxy.domain.errors import Unfit
from tests.support.tokens import Issuer

LONG = 24 * "k"
SIGNS = "a key that signs: a proxy's configuration dump shows it"


def test_a_client_may_have_several_keys_and_comments_are_none() -> None:
    text = f"# since May\nacme: {LONG}1\n\n  acme : {LONG}2 \nz.e_t-a: {LONG}:3\n"
    assert credentials.api_keys(text) == (
        ("acme", f"{LONG}1"),
        ("acme", f"{LONG}2"),
        ("z.e_t-a", f"{LONG}:3"),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no key"),
        ("# acme: all gone", "holds no key"),
        ("acme: short", "line 1 has a key of fewer than 20 characters, which can be guessed"),
        (f"\nacme {LONG}", "line 2 is not of the form `client: key`"),
        (f"a b: {LONG}", "line 1 is not of the form `client: key`"),
        (f"acme: {LONG} {LONG}", "line 1 is not of the form `client: key`"),
        (f"acme: {LONG}\nzeta: {LONG}", "line 2 has a key that stands there already"),
    ],
)
def test_a_mistake_in_a_file_of_keys_is_told_without_the_key(text: str, why: str) -> None:
    with pytest.raises(Unfit) as raised:
        credentials.api_keys(text)
    assert str(raised.value) == why


def test_a_set_of_signing_keys_is_taken() -> None:
    credentials.check_jwks(Issuer().jwks)
    credentials.check_jwks(credentials.PLACEHOLDER_JWKS)
    credentials.api_keys(credentials.PLACEHOLDER_KEYS)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], 'is no JSON Web Key Set: it has no list "keys"'),
        ({"keys": []}, "holds no key: every token would be refused"),
        ({"keys": [{"kty": "none"}]}, "has at keys[0] no key of the types RSA, EC, OKP"),
        ({"keys": [{"kty": ["EC"]}]}, "has at keys[0] no key of the types RSA, EC, OKP"),
        ({"keys": [{"kty": "RSA", "n": "AQAB"}]}, "has at keys[0] no e"),
        ({"keys": [{"kty": "RSA", "n": "not base64!", "e": "AQAB"}]}, "has at keys[0] no n"),
        ({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, f"has at keys[0] {SIGNS}"),
        ({"keys": [{"kty": "EC", "d": "c2VjcmV0"}]}, f"has at keys[0] {SIGNS}"),
    ],
)
def test_a_mistake_in_a_set_of_signing_keys_is_told(document: object, why: str) -> None:
    with pytest.raises(Unfit) as raised:
        credentials.check_jwks(json.dumps(document))
    assert str(raised.value) == why


def test_a_pem_file_is_no_set_of_signing_keys() -> None:
    with pytest.raises(Unfit, match="is not JSON"):
        credentials.check_jwks("-----BEGIN PUBLIC KEY-----")
