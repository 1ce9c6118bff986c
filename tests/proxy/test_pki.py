import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from proxy import pki
from proxy.domain.identity import Identity
from tests.proxy.factories import tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(material: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificates(material.certificate.encode())[0]


def names(material: Identity) -> set[str]:
    found = certificate(material).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in found.value}


def test_the_certificate_is_p256_and_names_the_tier_s_hosts(tmp_path: Path) -> None:
    material = pki.ensure(tmp_path, tier(), now=NOW)
    key = certificate(material).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert {"shop.test", "payments.test", "localhost"} <= names(material)


def test_the_authority_signed_it(tmp_path: Path) -> None:
    material = pki.ensure(tmp_path, tier(), now=NOW)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    certificate(material).verify_directly_issued_by(authority)


def test_it_stays_until_it_no_longer_fits(tmp_path: Path) -> None:
    first = pki.ensure(tmp_path, tier(), now=NOW)
    assert pki.ensure(tmp_path, tier(), now=NOW + timedelta(days=30)) == first
    later = pki.ensure(tmp_path, tier(), now=NOW + timedelta(days=61))
    assert later.certificate != first.certificate


def test_a_new_host_is_named_by_a_new_certificate(tmp_path: Path) -> None:
    pki.ensure(tmp_path, tier(), now=NOW)
    routes = [{"name": "new", "hosts": ["new.test", "*.new.test", "any.*"], "upstream": "shop-v1"}]
    found = names(pki.ensure(tmp_path, tier(routes=routes), now=NOW))
    assert {"new.test", "*.new.test"} <= found
    assert "any.*" not in found


def test_only_the_owner_reads_the_keys(tmp_path: Path) -> None:
    pki.ensure(tmp_path, tier(), now=NOW)
    keys = sorted(path for path in tmp_path.rglob("*.key"))
    assert [path.name for path in keys] == ["ca.key", "certificate.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
