import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy import identities, pem, pki
from proxy.domain.errors import Unreadable
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


def test_many_hosts_below_a_domain_are_named_by_one_name(tmp_path: Path) -> None:
    hosts = [f"h{number}.shop.example" for number in range(10_000)]
    routes = [{"name": "many", "hosts": [*hosts, "odd.test"], "upstream": "shop-v1"}]
    material = pki.ensure(tmp_path, tier(routes=routes), now=NOW)
    assert names(material) == {"127.0.0.1", "localhost", "odd.test", "*.shop.example"}
    assert len(material.certificate) < 3000


def test_no_wildcard_stands_above_a_name_of_the_tier_s_own_certificates(tmp_path: Path) -> None:
    hosts = [f"h{number}.shop.example" for number in range(200)]
    routes = [{"name": "many", "hosts": hosts, "upstream": "shop-v1"}]
    found = names(pki.ensure(tmp_path, tier(routes=routes), now=NOW, own={"h7.shop.example"}))
    assert "*.shop.example" not in found
    assert "h7.shop.example" not in found
    assert "h8.shop.example" in found


@pytest.mark.parametrize("own", [{"shop.test"}, {"*.test"}, {"shop.test", "localhost"}])
def test_a_host_of_the_tier_s_own_certificates_is_not_named(own: set[str], tmp_path: Path) -> None:
    assert "shop.test" in names(pki.ensure(tmp_path, tier(), now=NOW))
    found = pki.ensure(tmp_path, tier(), now=NOW, own=own)
    assert "shop.test" not in names(found)
    assert ("payments.test" in names(found)) is ("*.test" not in own)
    assert pki.ensure(tmp_path, tier(), now=NOW, own=own) == found
    assert "shop.test" in names(pki.ensure(tmp_path, tier(), now=NOW))


def test_while_an_own_certificate_cannot_be_read_the_names_stay_as_they_are(tmp_path: Path) -> None:
    found = pki.ensure(tmp_path, tier(), now=NOW, own={"shop.test"})
    assert pki.ensure(tmp_path, tier(), now=NOW, own=None) == found


def test_the_names_of_a_certificate_are_those_that_envoy_looks_at() -> None:
    made, _ = pki.issue(["shop.test", "*.shop.test", "127.0.0.1"], now=NOW)
    assert pem.hosts(made.decode()) == {"shop.test", "*.shop.test"}


def test_only_the_owner_reads_the_keys(tmp_path: Path) -> None:
    pki.ensure(tmp_path, tier(), now=NOW)
    keys = sorted(path for path in tmp_path.rglob("*.key"))
    assert [path.name for path in keys] == ["ca.key", "certificate.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def is_whole(material: Identity) -> bool:
    key = serialization.load_pem_private_key(material.key.encode(), password=None)
    return key.public_key() == certificate(material).public_key()


@pytest.mark.parametrize("file", ["certificate.pem", "certificate.key"])
@pytest.mark.parametrize("text", ["", "half a f"])
def test_a_damaged_certificate_is_made_anew(file: str, text: str, tmp_path: Path) -> None:
    pki.ensure(tmp_path, tier(), now=NOW)
    (tmp_path / "edge" / file).write_text(text)
    assert is_whole(pki.ensure(tmp_path, tier(), now=NOW))


def test_a_key_whose_certificate_was_not_written_any_more_is_not_served(tmp_path: Path) -> None:
    """The process was killed between the two files, and what was to be renewed fits again."""
    pki.ensure(tmp_path, tier(), now=NOW)
    pki.write(tmp_path / "edge" / "certificate.key", pki.issue(["other.test"], now=NOW)[1])
    assert is_whole(pki.ensure(tmp_path, tier(), now=NOW))


def test_a_new_authority_signs_what_an_older_one_signed(tmp_path: Path) -> None:
    pki.ensure(tmp_path, tier(), now=NOW)
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).unlink()
    made = pki.ensure(tmp_path, tier(), now=NOW)
    certificate(made).verify_directly_issued_by(x509.load_pem_x509_certificate(made.authority.encode()))


def test_an_authority_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    pki.ensure(tmp_path, tier(), now=NOW)
    before = (tmp_path / "ca.pem").read_text()
    (tmp_path / "ca.key").unlink()
    with pytest.raises(Unreadable, match=r"ca\.key is missing beside"):
        pki.ensure(tmp_path, tier(), now=NOW)
    assert (tmp_path / "ca.pem").read_text() == before


def test_an_identity_that_is_renewed_by_many_at_once_is_one_and_whole(tmp_path: Path) -> None:
    def look(_: int) -> Iterable[Identity]:
        return [identities.of_tier(tmp_path, "edge", now=NOW + timedelta(days=25 * day)) for day in range(8)]

    with ThreadPoolExecutor(4) as pool:
        looks = list(pool.map(look, range(4)))
    assert all(is_whole(made) for made in [made for found in looks for made in found])


@pytest.mark.skipif(os.geteuid() != 0, reason="the kernel lets only root give a file to another user")
def test_what_root_writes_belongs_to_the_folder_s_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    pki.write(tmp_path / "tickets.json", b"{}")
    assert (tmp_path / "tickets.json").stat().st_uid == 12345
