"""The identities of ADS servers and proxies: by the local authority, kept on disk, never in the database."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path

from proxy import pki
from proxy.domain.identity import (
    ADS_HOST,
    ADS_URI,
    SITE_URI,
    Identity,
    admin_host,
    admin_uri,
    proxy_uri,
    tier_uri,
)
from proxy.domain.translate import proof

LIFE = timedelta(days=365)
SERVER_LIFE = timedelta(days=30)
RENEW_BEFORE = timedelta(days=10)
_SERVER, SITE = "_ads", "_site"  # beside the tiers' folders: no tier is called so
_TO_BACKENDS, _ADMIN = "to-backends", "admin"


def of_proxy(directory: Path, tier: str, proxy: str, *, now: datetime) -> Identity:
    """A fresh identity of the proxy. Those that were issued before stay good until they end."""
    return pki.issue_identity(directory, uri=proxy_uri(tier, proxy), server=False, life=LIFE, now=now)


def of_server(directory: Path, *, now: datetime) -> Identity:
    """The ADS servers' common identity, renewed ten days before its end."""
    issue = partial(pki.issue_identity, directory, uri=ADS_URI, names=[ADS_HOST], server=True)
    return _kept(directory, directory / _SERVER, issue, now)


def of_tier(directory: Path, tier: str, *, now: datetime) -> Identity:
    """What the proxies of a tier show to backends; renewed ten days before its end."""
    issue = partial(pki.issue_identity, directory, uri=tier_uri(tier), server=False)
    return _kept(directory, directory / tier / _TO_BACKENDS, issue, now)


def of_site(directory: Path, *, now: datetime) -> Identity:
    """What Sluice shows to the proxies' admin interfaces; renewed ten days before its end.

    The folder SITE has the authority too: it is all that another machine needs.
    """
    issue = partial(pki.issue_identity, directory, uri=SITE_URI, server=False)
    found, authority = _kept(directory, directory / SITE, issue, now), directory / SITE / proof.AUTHORITY
    if not authority.is_file() or authority.read_text() != found.authority:
        pki.write(authority, found.authority.encode(), mode=0o644)
    return found


def of_admin(directory: Path, tier: str, proxy: str, *, now: datetime) -> Identity:
    """What a proxy's admin interface shows; renewed ten days before its end."""
    uri, names = admin_uri(tier, proxy), [admin_host(tier, proxy)]
    issue = partial(pki.issue_identity, directory, uri=uri, names=names, server=True)
    return _kept(directory, directory / tier / _ADMIN / proxy, issue, now)


def _kept(directory: Path, here: Path, issue: Callable[..., Identity], now: datetime) -> Identity:
    """What stands in the folder, or a new one. Two ADS servers that renew at once have one pair, whole."""
    with pki.locked(directory):
        kept = _lasting(directory, here, now)
    if kept is not None:
        return kept
    made = issue(life=SERVER_LIFE, now=now)
    with pki.locked(directory):
        kept = _lasting(directory, here, now)
        if kept is None:
            here.mkdir(parents=True, exist_ok=True, mode=0o700)
            pki.write(here / proof.KEY, made.key.encode())
            pki.write(here / proof.CERTIFICATE, made.certificate.encode(), mode=0o644)
    return kept or made


def _lasting(directory: Path, here: Path, now: datetime) -> Identity | None:
    files = (directory / "ca.pem", directory / "ca.key", here / proof.CERTIFICATE, here / proof.KEY)
    try:
        stamps = tuple(map(_stamp, files))
    except FileNotFoundError:
        pki.ensure_authority(directory, now)
        return None
    found = _read(directory, here, stamps)
    return found[0] if found is not None and found[1] - RENEW_BEFORE > now else None


def _stamp(file: Path) -> tuple[int, int, int]:
    """Another one for every file that takes this one's place."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=4096)
def _read(
    directory: Path, here: Path, stamps: tuple[tuple[int, int, int], ...]
) -> tuple[Identity, datetime] | None:
    """What stands in the files, and until when it is good; None where it is not whole.

    Read once while the files are the same (`stamps`): an ADS server looks at them each second.
    """
    authority, _ = pki.authority_in(directory)
    chain, key = here / proof.CERTIFICATE, here / proof.KEY
    certificate = pki.whole(chain, key, authority)
    if certificate is None:
        return None
    found = Identity(chain.read_text(), key.read_text(), (directory / "ca.pem").read_text())
    return found, certificate.not_valid_after_utc


def write_folder(folder: Path, identity: Identity) -> proof.Folder:
    """The identity as files, each replaced whole; the key for its owner only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    where = proof.Folder(str(folder.absolute()))
    pki.write(folder / proof.AUTHORITY, identity.authority.encode(), mode=0o644)
    pki.write(folder / proof.KEY, identity.key.encode())
    pki.write(folder / proof.CERTIFICATE, identity.certificate.encode(), mode=0o644)
    pki.write(folder / proof.SECRET, json.dumps(proof.secret(where), indent=2).encode(), mode=0o644)
    return where
