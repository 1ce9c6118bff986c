"""Certificates, authorities and session ticket keys as secrets, which reach the proxies beside the rest.

A changed secret rebuilds no listener and no cluster: connections stay, new handshakes see the new one.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.domain.tier import Certificate, Tier
from proxy.domain.tier.tls import ClientCertificates
from proxy.domain.translate import kinds

TICKET_KEY_BYTES = 80


@dataclass(frozen=True, slots=True)
class Material:
    """What a tier's proxies must hold and no row may: texts in PEM, and the ticket keys.

    `certificate` with `key` is by the local authority for the tier's hosts; `client_certificate` with
    `client_key` is by it for the tier itself. `admin` is the certificate and key of each proxy's admin
    interface, where it is served. Of `ticket_keys` the first encrypts, all decrypt. `files` are the texts of
    what the tier names, under the very words that it has: `local`, `system` or a file. What is `withheld` of
    them cannot be read now, and is not served, so that the proxies keep what they have.
    """

    certificate: str
    key: str = field(repr=False)
    ticket_keys: tuple[bytes, ...] = field(repr=False)
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    admin: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    withheld: frozenset[str] = frozenset()

    def file(self, name: str) -> str:
        """Empty where there is no material at all: two renderings that are compared show no secret."""
        return self.files.get(name, "")

    def has(self, *names: str) -> bool:
        return self.withheld.isdisjoint(names)


def certificate_name(tier: Tier) -> str:
    return f"{tier.name}-certificate"


def own_name(certificate: Certificate) -> str:
    """Of a certificate that the declaration brings."""
    return f"certificate {certificate.certificate_chain} {certificate.private_key}"


def client_certificate_name(tier: Tier) -> str:
    return f"{tier.name}-client-certificate"


def authority_name(ca: str) -> str:
    return f"authority {ca}"


def client_authority_name(clients: ClientCertificates) -> str:
    return f"authority of clients {clients.ca} {clients.crl or ''}".rstrip()


def tickets_name(tier: Tier) -> str:
    return f"{tier.name}-tickets"


def secrets(tier: Tier, material: Material) -> list[dict[str, Any]]:
    """Those that the tier's listeners and clusters point to, each once.

    Shared ticket keys let a client that met one proxy resume on another.
    """
    keys = [{"inline_bytes": base64.b64encode(key).decode()} for key in material.ticket_keys]
    found = [
        tls_certificate(certificate_name(tier), material.certificate, material.key),
        {"@type": kinds.SECRET, "name": tickets_name(tier), "session_ticket_keys": {"keys": keys}},
        *_of_clients(tier, material),
        *_of_upstreams(tier, material),
    ]
    for certificate in tier.tls.certificates:
        found += _own(certificate, material)
    return list({secret["name"]: secret for secret in found}.values())


def withheld(tier: Tier, material: Material) -> frozenset[str]:
    """The names of the secrets that are pointed to and not served."""
    everything = secrets(tier, replace(material, withheld=frozenset()))
    served = {secret["name"] for secret in secrets(tier, material)}
    return frozenset(secret["name"] for secret in everything if secret["name"] not in served)


def _of_clients(tier: Tier, material: Material) -> Iterator[dict[str, Any]]:
    clients = tier.tls.client_certificates
    if clients is None or not material.has(clients.ca, clients.crl or ""):
        return
    context = {"trusted_ca": {"inline_string": material.file(clients.ca)}}
    if clients.crl is not None:
        context["crl"] = {"inline_string": material.file(clients.crl)}
    yield validation(client_authority_name(clients), context)


def _of_upstreams(tier: Tier, material: Material) -> Iterator[dict[str, Any]]:
    for settings in (upstream.tls for upstream in tier.upstreams if upstream.tls):
        if material.has(settings.ca):
            trusted = {"trusted_ca": {"inline_string": material.file(settings.ca)}}
            yield validation(authority_name(settings.ca), trusted)
        if settings.client_certificate == "tier":
            name = client_certificate_name(tier)
            yield tls_certificate(name, material.client_certificate, material.client_key)
        elif settings.client_certificate is not None:
            yield from _own(settings.client_certificate, material)


def _own(certificate: Certificate, material: Material) -> Iterator[dict[str, Any]]:
    chain, key = certificate.certificate_chain, certificate.private_key
    if material.has(chain, key):
        yield tls_certificate(own_name(certificate), material.file(chain), material.file(key))


def tls_certificate(name: str, chain: str, key: str) -> dict[str, Any]:
    """A certificate and its key, in PEM."""
    return {
        "@type": kinds.SECRET,
        "name": name,
        "tls_certificate": {
            "certificate_chain": {"inline_string": chain},
            "private_key": {"inline_string": key},
        },
    }


def validation(name: str, context: dict[str, Any]) -> dict[str, Any]:
    """Whom to trust."""
    return {"@type": kinds.SECRET, "name": name, "validation_context": context}
