"""Which files below the secrets directory a tier names, and where in its declaration."""

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.domain.tier import Certificate, Tier
from proxy.domain.tier.tls import LOCAL, SYSTEM

Named = tuple[str, str]
"""A path in the tier, such as `tls.client_certificates.ca`, and the file that stands there."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, which must fit each other."""

    path: str
    certificate: Certificate

    @property
    def chain(self) -> Named:
        return f"{self.path}.certificate_chain", self.certificate.certificate_chain

    @property
    def key(self) -> Named:
        return f"{self.path}.private_key", self.certificate.private_key


def pairs(tier: Tier) -> Iterator[Pair]:
    """Certificates that proxies show, to clients or to backends."""
    for index, certificate in enumerate(tier.tls.certificates):
        yield Pair(f"tls.certificates[{index}]", certificate)
    for index, upstream in enumerate(tier.upstreams):
        own = upstream.tls.client_certificate if upstream.tls else None
        if isinstance(own, Certificate):
            yield Pair(f"upstreams[{index}].tls.client_certificate", own)


def authorities(tier: Tier) -> Iterator[Named]:
    """Whom the tier trusts, by file, or as `local` or `system`."""
    if tier.tls.client_certificates is not None:
        yield "tls.client_certificates.ca", tier.tls.client_certificates.ca
    for index, upstream in enumerate(tier.upstreams):
        if upstream.tls is not None:
            yield f"upstreams[{index}].tls.ca", upstream.tls.ca


def revocations(tier: Tier) -> Iterator[Named]:
    """Lists of revoked certificates."""
    clients = tier.tls.client_certificates
    if clients is not None and clients.crl is not None:
        yield "tls.client_certificates.crl", clients.crl


def jwks(tier: Tier) -> Iterator[Named]:
    """The keys that tokens are signed with."""
    for index, provider in enumerate(tier.jwt_providers):
        if provider.jwks.file is not None:
            yield f"jwt_providers[{index}].jwks.file", provider.jwks.file


def api_keys(tier: Tier) -> Iterator[Named]:
    """Clients and their keys."""
    for index, keys in enumerate(tier.api_keys):
        yield f"api_keys[{index}].file", keys.file


def files(tier: Tier) -> Iterator[Named]:
    """All of them, and `system` where the tier trusts it: that is read from a file too."""
    for pair in pairs(tier):
        yield from (pair.chain, pair.key)
    yield from (named for named in authorities(tier) if named[1] != LOCAL)
    yield from revocations(tier)
    yield from jwks(tier)
    yield from api_keys(tier)


def dated(tier: Tier) -> Iterator[Named]:
    """Those that must not have ended. Of the machine's own hundred authorities some always have."""
    yield from (pair.chain for pair in pairs(tier))
    yield from (named for named in authorities(tier) if named[1] not in (LOCAL, SYSTEM))
