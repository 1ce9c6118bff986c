"""All that a tier's proxies must hold and no row may: made or read when it is served."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from django.conf import settings

from proxy import identities, pem, pki, tickets, vault
from proxy.domain import secret_files
from proxy.domain.errors import Problem, Unreadable
from proxy.domain.tier import Tier
from proxy.domain.tier.tls import LOCAL
from proxy.domain.translate.secrets import Material, certificate_name, own_name

SETTLED = timedelta(seconds=15)
"""So long after a certificate's file changed the proxies have it."""


def of(pki_directory: Path, tier: Tier, *, now: datetime) -> tuple[Material, list[Problem]]:
    """The tier's material; and the files that cannot be served, with why. Those are left out of it, so that
    the proxies keep what they have of them while all else goes on.

    Raises OSError or Unreadable where the local authority's own files cannot be read or made.
    """
    try:
        return _of(pki_directory, tier, now)
    except (ValueError, TypeError) as error:
        raise Unreadable(f"a file below {pki_directory} is damaged: {error}") from error


def serials(pki_directory: Path, tier: Tier, *, now: datetime) -> dict[str, int]:
    """The serial number of each certificate that the tier's clients are shown, by its secret's name.

    Only read here. Without those whose files are not on this machine, and those that changed a moment ago:
    they are on their way to the proxies.
    """
    files = {certificate_name(tier): pki_directory / tier.name / "certificate.pem"}
    for own in tier.tls.certificates:
        files[own_name(own)] = Path(settings.SECRETS) / own.certificate_chain
    found = {name: _serial(file, now) for name, file in files.items()}
    return {name: serial for name, serial in found.items() if serial is not None}


def _serial(file: Path, now: datetime) -> int | None:
    try:
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        if now - changed < SETTLED:
            return None
        return x509.load_pem_x509_certificates(file.read_bytes())[0].serial_number
    except (OSError, ValueError):
        return None


def _of(pki_directory: Path, tier: Tier, now: datetime) -> tuple[Material, list[Problem]]:
    texts, problems = vault.read(tier)
    own = pki.ensure(pki_directory, tier, now=now, own=_hosts(tier, texts))
    with pki.locked(pki_directory):
        ring = tickets.ensure(pki_directory, tier.name, now=now)
    admin = _admin(pki_directory, tier, now)
    if admin or any(word == LOCAL for _, word in secret_files.authorities(tier)):
        texts[LOCAL] = own.authority
    material = Material(
        own.certificate,
        own.key,
        ring.served,
        admin=admin,
        files=texts,
        withheld=frozenset(file for _, file in secret_files.files(tier) if file not in texts),
    )
    if any(upstream.tls and upstream.tls.client_certificate == "tier" for upstream in tier.upstreams):
        client = identities.of_tier(pki_directory, tier.name, now=now)
        material = replace(material, client_certificate=client.certificate, client_key=client.key)
    return material, problems


def _hosts(tier: Tier, texts: Mapping[str, str]) -> frozenset[str] | None:
    """The names of the certificates that the tier brings; None while one of them cannot be read."""
    chains = [certificate.certificate_chain for certificate in tier.tls.certificates]
    if not all(chain in texts for chain in chains):
        return None
    return frozenset[str]().union(*(pem.hosts(texts[chain]) for chain in chains))


def _admin(pki_directory: Path, tier: Tier, now: datetime) -> dict[str, tuple[str, str]]:
    """What each proxy's admin interface shows. Whom they let in is made here too: Sluice's other parts only
    read it.
    """
    served = [proxy.name for proxy in tier.proxies if proxy.admin_tls_port is not None]
    if served:
        identities.of_site(pki_directory, now=now)
    shown = {name: identities.of_admin(pki_directory, tier.name, name, now=now) for name in served}
    return {name: (each.certificate, each.key) for name, each in shown.items()}
