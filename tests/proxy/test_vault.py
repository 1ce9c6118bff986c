"""Files that a tier names: what is wrong with one is told with the path that names it, and never served."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pytest_django import Settings

from proxy import materials, pki, vault
from proxy.domain.errors import Unreadable
from proxy.domain.tier import Tier
from proxy.domain.translate import secrets as translated
from tests.proxy.factories import tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = {"certificate_chain": "shop.pem", "private_key": "shop.key"}
NOT_ITS_KEY = "shop.key is not the key of the certificate"


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    """The secrets directory, with a pair that is well."""
    settings.SECRETS = tmp_path
    write(tmp_path, "shop", pki.issue(["shop.test"], now=NOW))
    return tmp_path


def write(folder: Path, name: str, made: tuple[bytes, bytes]) -> None:
    (folder / f"{name}.pem").write_bytes(made[0])
    (folder / f"{name}.key").write_bytes(made[1])


def shop() -> Tier:
    return tier(tls={"certificates": [PAIR]})


def told(given: Tier, now: datetime = NOW) -> list[tuple[str, str]]:
    """Each path without the tier's name, and the message from the file's name on."""
    return [
        (path.removeprefix("edge."), message.rpartition("/")[2])
        for path, message in vault.problems(given, now=now)
    ]


def private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_pair_that_is_well_has_no_problem(folder: Path) -> None:
    assert told(shop()) == []


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "shop.key").unlink()
    assert told(shop()) == [("tls.certificates[0].private_key", "shop.key: No such file or directory")]


@pytest.mark.parametrize("text", [b"", b"shop", b"\xff\xfe"])
def test_what_is_no_pem_is_refused(text: bytes, folder: Path) -> None:
    (folder / "shop.pem").write_bytes(text)
    ((path, message),) = told(shop())
    assert path == "tls.certificates[0].certificate_chain"
    assert message in ("shop.pem holds no certificate in PEM", "shop.pem is not text")


def test_a_key_of_another_certificate_is_refused(folder: Path) -> None:
    (folder / "shop.key").write_bytes(pki.issue(["shop.test"], now=NOW)[1])
    assert told(shop()) == [("tls.certificates[0].private_key", NOT_ITS_KEY)]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (
            rsa.generate_private_key(65537, 1024),  # noqa: S505  # it is to be refused
            "is an RSA key of 1024 bits; Envoy takes 2048 or more",
        ),
        (ec.generate_private_key(ec.SECP256K1()), "is neither an RSA key nor one on P-256, P-384 or P-521"),
    ],
)
def test_a_key_that_envoy_refuses_is_refused(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, why: str, folder: Path
) -> None:
    (folder / "shop.key").write_bytes(private(key))
    assert told(shop()) == [("tls.certificates[0].private_key", f"shop.key {why}")]


def test_a_large_key_is_checked_when_it_is_new_and_not_at_every_look(folder: Path) -> None:
    (folder / "shop.key").write_bytes(private(rsa.generate_private_key(65537, 4096)))
    begun = time.perf_counter()
    first = told(shop())
    first_look = time.perf_counter() - begun
    for _ in range(5):
        assert told(shop()) == first == [("tls.certificates[0].private_key", NOT_ITS_KEY)]
    assert time.perf_counter() - begun < 2 * first_look


def test_a_certificate_that_has_ended_is_refused_and_still_served(folder: Path) -> None:
    late = NOW + timedelta(days=91)
    assert told(shop(), late) == [
        ("tls.certificates[0].certificate_chain", "shop.pem ended at 2026-04-01 00:00 UTC")
    ]
    texts, problems = vault.read(shop())
    assert set(texts) == {"shop.pem", "shop.key"}
    assert problems == []


def test_authorities_and_lists_of_the_revoked_are_checked_where_they_are_named(folder: Path) -> None:
    (folder / "ca.pem").write_text("no certificate")
    given = tier(
        tls={"client_certificates": {"ca": "shop.pem", "crl": "ca.pem"}},
        upstreams=[{"name": "a", "endpoints": [{"port": 1}], "tls": {"ca": "none.pem", "sni": "a.test"}}],
        routes=[],
    )
    assert told(given) == [
        ("upstreams[0].tls.ca", "none.pem: No such file or directory"),
        ("tls.client_certificates.crl", "ca.pem holds no certificate revocation list in PEM"),
    ]


@pytest.mark.parametrize("file", ["edge/tickets.json", "ca.pem", "ca.key"])
@pytest.mark.parametrize("text", ["", "{}", "half a f"])
def test_a_damaged_file_of_its_own_is_named_with_what_to_do(file: str, text: str, folder: Path) -> None:
    materials.of(folder / "pki", shop(), now=NOW)
    (folder / "pki" / file).write_text(text)
    with pytest.raises(Unreadable, match=f"{file}.* is damaged.* remove ") as told:
        materials.of(folder / "pki", shop(), now=NOW)
    for each in re.findall(r"\S+\.(?:json|pem|key)\b", str(told.value)):
        Path(each).unlink()
    materials.of(folder / "pki", shop(), now=NOW)


def test_what_cannot_be_read_is_withheld_and_all_else_is_served(folder: Path) -> None:
    (folder / "shop.key").write_text("half a ke")
    material, problems = materials.of(folder / "pki", shop(), now=NOW)
    served = {secret["name"] for secret in translated.secrets(shop(), material)}
    assert served == {"edge-certificate", "edge-tickets"}
    assert translated.withheld(shop(), material) == {"certificate shop.pem shop.key"}
    assert [path for path, _ in problems] == ["edge.tls.certificates[0].private_key"]
