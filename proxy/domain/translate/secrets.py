"""Certificates and session ticket keys as secrets that all proxies of a tier share."""

import base64
from dataclasses import dataclass
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import kinds

TICKET_KEY_BYTES = 80


@dataclass(frozen=True, slots=True)
class Material:
    """The tier's certificate chain and key in PEM, and its ticket keys: the first encrypts, all decrypt."""

    certificate: str
    key: str
    ticket_keys: tuple[bytes, ...]


def certificate_name(tier: Tier) -> str:
    return f"{tier.name}-certificate"


def tickets_name(tier: Tier) -> str:
    return f"{tier.name}-tickets"


def secrets(tier: Tier, material: Material) -> list[dict[str, Any]]:
    """Shared ticket keys let a client that met one proxy resume on another."""
    keys = [{"inline_bytes": base64.b64encode(key).decode()} for key in material.ticket_keys]
    return [
        {
            "@type": kinds.SECRET,
            "name": certificate_name(tier),
            "tls_certificate": {
                "certificate_chain": {"inline_string": material.certificate},
                "private_key": {"inline_string": material.key},
            },
        },
        {"@type": kinds.SECRET, "name": tickets_name(tier), "session_ticket_keys": {"keys": keys}},
    ]
