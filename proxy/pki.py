"""The local certificate authority: made at first start, so that TLS works with nothing prepared.

Files below `settings.VAR/pki`: `ca.pem` and `ca.key` for all tiers, and in a directory a tier its
certificate and key. Keys are readable by their owner only.
"""

import fcntl
import ipaddress
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from proxy.domain.errors import Unreadable
from proxy.domain.identity import Identity
from proxy.domain.tier import Tier

CA_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=90)
RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(minutes=5)
_ANEW = (
    "put both back from a copy; or remove both, and there will be another authority, which no client and no "
    "backend trusts yet, and under which every proxy needs a new `manage.py bootstrap`"
)
ITSELF = "127.0.0.1"
MOST_NAMES = 100
"""A name takes some 30 bytes of every full handshake, and many clients refuse a chain of 100 KB."""


def ensure(
    directory: Path, tier: Tier, *, now: datetime, own: Collection[str] | None = frozenset()
) -> Identity:
    """The tier's certificate for its hosts, with its chain, and its key; made first where it is missing or
    does not fit any more.

    It fits while it is whole, by the authority, names every host of the tier and has a month to live.
    `own` are the names of the certificates that the tier brings. Their hosts stand in none of here: of two
    that bear a host's name Envoy shows the one on ECDSA, and the exact one before `*.`, whatever their order.
    Where they cannot be told now (None), a certificate that there is keeps its names.
    """
    with locked(directory):
        return _ensure(directory, tier, now, own)


def _ensure(directory: Path, tier: Tier, now: datetime, own: Collection[str] | None) -> Identity:
    authority, authority_key = ensure_authority(directory, now)
    here = directory / tier.name
    here.mkdir(exist_ok=True, mode=0o700)
    hosts = {host for route in tier.routes for host in route.hosts}  # of 10,000 routes a few
    named = {host for host in {"localhost", *hosts} if _certifiable(host) and not _borne(host, own)}
    names = sorted({ITSELF, *grouped(named, own or ())})
    chain, key = here / "certificate.pem", here / "certificate.key"
    kept = whole(chain, key, authority)
    if kept is None or not _fits(kept, names, own, now):
        certificate, private = issue(names, authority, authority_key, now=now)
        write(key, private)
        write(chain, certificate + _pem(authority), mode=0o644)
    return Identity(chain.read_text(), key.read_text(), _pem(authority).decode())


def issue(
    names: Iterable[str],
    authority: x509.Certificate | None = None,
    authority_key: ec.EllipticCurvePrivateKey | None = None,
    *,
    now: datetime,
) -> tuple[bytes, bytes]:
    """A certificate for these names on ECDSA P-256 and its key, in PEM; self-signed without an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(names)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = _builder(subject, authority.subject if authority else subject, key, now, CERTIFICATE_LIFE)
    leaf = _leaf(builder, [_name(name) for name in names], ExtendedKeyUsageOID.SERVER_AUTH)
    return _pem(leaf.sign(authority_key or key, hashes.SHA256())), _private(key)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """One process at a time makes anything here: two ADS servers that start at once have one authority."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def issue_identity(
    directory: Path, *, uri: str, names: Iterable[str] = (), server: bool, life: timedelta, now: datetime
) -> Identity:
    """A certificate on a URI, by the local authority, for one end of the ADS connection."""
    with locked(directory):
        authority, authority_key = ensure_authority(directory, now)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri.rpartition("/")[2][:64])])
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    alternatives = [x509.UniformResourceIdentifier(uri), *(_name(name) for name in names)]
    leaf = _leaf(_builder(subject, authority.subject, key, now, life), alternatives, usage)
    certificate = leaf.sign(authority_key, hashes.SHA256())
    return Identity(_pem(certificate).decode(), _private(key).decode(), _pem(authority).decode())


def ensure_authority(directory: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The local authority's certificate and key, made first where there is none. Needs `locked`.

    Raises Unreadable where they are damaged, or only the certificate is left: nobody would trust another.
    """
    chain, private = directory / "ca.pem", directory / "ca.key"
    if chain.is_file() and not private.is_file():
        raise Unreadable(f"{private} is missing beside {chain}: {_ANEW}")
    if not (chain.is_file() and private.is_file()):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sluice local CA")])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(subject, subject, key, now, CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write(private, _private(key))
        write(chain, _pem(certificate), mode=0o644)
    return authority_in(directory)


def authority_in(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority that is there already. Raises Unreadable or OSError."""
    chain, private = directory / "ca.pem", directory / "ca.key"
    try:
        loaded = serialization.load_pem_private_key(private.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    except (ValueError, TypeError) as error:
        raise Unreadable(f"{private} or {chain} is damaged: {_ANEW}") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != certificate.public_key():
        raise Unreadable(f"{private} or {chain} is damaged, and not the other's: {_ANEW}")
    return certificate, loaded


def whole(chain: Path, key: Path, authority: x509.Certificate) -> x509.Certificate | None:
    """The certificate of a pair of files; None where one is missing or damaged, they are not each other's as
    after a process that was killed between the two, or another authority signed.
    """
    try:
        certificate = x509.load_pem_x509_certificates(chain.read_bytes())[0]
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority)
    except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
        return None
    return certificate if private.public_key() == certificate.public_key() else None


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _leaf(
    builder: x509.CertificateBuilder, names: list[x509.GeneralName], usage: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    """What signs no other certificate, and is for one end of a connection only."""
    return (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )


def _fits(
    certificate: x509.Certificate, names: list[str], own: Collection[str] | None, now: datetime
) -> bool:
    if certificate.not_valid_after_utc - RENEW_BEFORE <= now:
        return False
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    has = {str(name.value) for name in named}
    return own is None or (set(names) <= has and not any(_borne(name, own) for name in has))


def _borne(host: str, own: Collection[str] | None) -> bool:
    """Whether a certificate with these names is shown for the host."""
    return host in (own or ()) or f"*.{host.partition('.')[2]}" in (own or ())


def grouped(hosts: Collection[str], own: Collection[str]) -> set[str]:
    """The hosts, or `*.shop.test` for those below one domain where they are more than MOST_NAMES in all.

    Not above a name that is `own`: Envoy might show this certificate for it.
    """
    if len(hosts) <= MOST_NAMES:
        return set(hosts)
    taken = {name.partition(".")[2] for name in own}
    return {_wildcard(host, taken) for host in hosts}


def _wildcard(host: str, taken: Collection[str]) -> str:
    """Clients take `*` for one label, and none directly below a top-level domain."""
    domain = host.partition(".")[2]
    return f"*.{domain}" if "." in domain and domain not in taken else host


def _certifiable(host: str) -> bool:
    """A certificate may hold `*.shop.test`, but neither `*` nor `shop.*`."""
    return host != "*" and not host.endswith(".*")


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """The mode is right from the first byte on, and a reader sees the old file or the new.

    What root writes, such as by a command, belongs to the folder's owner: the ADS server has to read it.
    """
    partial = path.with_suffix(f"{path.suffix}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
    partial.replace(path)
