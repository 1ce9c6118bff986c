"""The one site that every server beside another serves: a host, ten routes, a certificate."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

HOST = "bench.test"
PATHS = tuple(f"/r{number}/" for number in range(10))
ASKED = PATHS[5] + "x"
"""The path of every request: neither the first route nor the last."""
LIFE = timedelta(days=1)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate and its key in PEM, apart and, as HAProxy wants them, in one."""

    certificate: Path
    key: Path
    both: Path


def ecdsa() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def rsa2048() -> Key:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certify(folder: Path, key: Key, *, now: datetime) -> Files:
    """A self-signed certificate of the site on this key."""
    folder.mkdir(parents=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFE)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = Files(folder / "site.pem", folder / "site.key", folder / "both.pem")
    for path, text in (
        (files.certificate, certificate),
        (files.key, private),
        (files.both, certificate + private),
    ):
        path.write_bytes(text)
    return files
