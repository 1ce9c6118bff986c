"""Signed tokens and the keys that verify them, as an identity provider makes them."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HOUR = 3600


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class Issuer:
    """One signing key (ES256) and who signs with it."""

    issuer: str = "https://idp.test"
    audience: str = "shop"
    kid: str = "one"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def jwks(self) -> str:
        """The JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        x, y = (_encoded(number.to_bytes(32)) for number in (numbers.x, numbers.y))
        key = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": x, "y": y}
        return json.dumps({"keys": [key]})

    def token(self, *, lasts: float = HOUR, **claims: Any) -> str:
        """A token that is valid for so many seconds, with these claims beside its own; None takes one out."""
        now = time.time()
        own = {"iss": self.issuer, "aud": self.audience, "sub": "ann", "iat": now, "exp": now + lasts}
        payload = {key: value for key, value in {**own, **claims}.items() if value is not None}
        header = {"alg": "ES256", "typ": "JWT", "kid": self.kid}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, payload))
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_encoded(r.to_bytes(32) + s.to_bytes(32))}"

    def bearer(self, *, lasts: float = HOUR, **claims: Any) -> dict[str, str]:
        """The header that bears such a token."""
        return {"Authorization": f"Bearer {self.token(lasts=lasts, **claims)}"}
