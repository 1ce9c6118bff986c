"""What Envoy would take of a PEM file, and what is wrong with one, told before a proxy meets it."""

import hashlib
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from proxy.domain.errors import Unfit

RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1", "secp521r1")

_MOST_FOUND = 4096
_found: dict[bytes, str | None] = {}


def certificates(text: str) -> list[x509.Certificate]:
    """The certificates of a PEM text, the leaf first. Raises Unfit."""
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise Unfit("holds no certificate in PEM") from None


def hosts(text: str) -> frozenset[str]:
    """The names for which Envoy shows the certificate: its DNS names, or its common name where it has no
    other. Raises Unfit.
    """
    leaf = certificates(text)[0]
    try:
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return frozenset(named.get_values_for_type(x509.DNSName))


def revocations(text: str) -> x509.CertificateRevocationList:
    """Raises Unfit."""
    try:
        return x509.load_pem_x509_crl(text.encode())
    except ValueError:
        raise Unfit("holds no certificate revocation list in PEM") from None


def check_key(text: str, chain: str) -> None:
    """That the key is of a sort that Envoy serves, and the certificate's. Raises Unfit.

    What was found stands by the digest of the texts: files are looked at every second by who also pushes, and
    an RSA key of 4096 bits takes half a second to check.
    """
    which = hashlib.sha256(f"{text}\0{chain}".encode()).digest()
    if which not in _found:
        if len(_found) >= _MOST_FOUND:
            _found.clear()
        _found[which] = _fault(text, chain)
    fault = _found[which]
    if fault is not None:
        raise Unfit(fault)


def _fault(text: str, chain: str) -> str | None:
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        return "holds no unencrypted private key in PEM"
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < RSA_BITS:
            return f"is an RSA key of {key.key_size} bits; Envoy takes {RSA_BITS} or more"
    elif not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES):
        return "is neither an RSA key nor one on P-256, P-384 or P-521"
    if _is_certificate(chain) and key.public_key() != certificates(chain)[0].public_key():
        return "is not the key of the certificate"
    return None


def _is_certificate(text: str) -> bool:
    try:
        certificates(text)
    except Unfit:
        return False
    return True


def check_dates(chain: str, *, now: datetime) -> None:
    """That the first certificate is valid now. Raises Unfit."""
    certificate = certificates(chain)[0]
    if certificate.not_valid_after_utc <= now:
        raise Unfit(f"ended at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if certificate.not_valid_before_utc > now:
        raise Unfit(f"begins at {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only")
