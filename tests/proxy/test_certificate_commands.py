"""`manage.py certificate` and `manage.py tickets`: what they write, and what they keep to themselves."""

import base64
import io
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from audit.domain.actor import Actor
from proxy import selectors, services, tickets
from tests.proxy.factories import document


@pytest.fixture
def var(tmp_path: Path, settings: Settings) -> Path:
    settings.VAR = tmp_path
    return tmp_path


def run(*argv: str) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out)
    return out.getvalue()


def names(folder: Path) -> list[str]:
    certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_a_backend_gets_what_it_serves_with(var: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backend"
    assert "good for 90 days" in run("certificate", "shop.internal", "10.0.0.7", "--folder", str(folder))
    assert names(folder) == ["shop.internal", "10.0.0.7"]
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "certificate.pem", folder / "private.key")
    assert (folder / "private.key").stat().st_mode & 0o777 == 0o600


def test_a_client_gets_what_it_shows(var: Path, tmp_path: Path) -> None:
    run("certificate", "--client", "spiffe://shop/billing", "--folder", str(tmp_path / "billing"))
    assert names(tmp_path / "billing") == ["spiffe://shop/billing"]


@pytest.mark.parametrize("name", ["spiffe://shop/billing", "b\u00fccher.test", "", "a b", "sluice-ads"])
def test_a_backend_is_called_by_a_host_name_or_an_address(name: str, var: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"host name|ADS"):
        run("certificate", name, "--folder", str(tmp_path / "backend"))
    assert not (tmp_path / "backend").exists()


@pytest.mark.parametrize(
    "name", ["billing", "spiffe://sluice/edge/edge-1", "spiffe://b\u00fccher", "spiffe://a b"]
)
def test_a_client_is_not_called_like_a_host_or_a_part_of_sluice(name: str, var: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run("certificate", "--client", name, "--folder", str(tmp_path / "client"))
    assert not (tmp_path / "client").exists()


def declared(var: Path) -> None:
    """A tier that an ADS server has served once."""
    services.apply(document=document(), by=Actor("ann", "cli"), reason="", now=timezone.now())
    tickets.ensure(var / "pki", "edge", now=timezone.now())


@pytest.mark.django_db
def test_a_rotation_by_hand_shows_which_key_does_what_and_no_key(var: Path) -> None:
    declared(var)
    shown = run("tickets", "rotate", "edge", "--reason", "leaked")
    ring = tickets.read(var / "pki", "edge")
    assert ring.joining is not None
    assert f"{ring.encrypting.number} encrypts" in shown
    assert f"{ring.joining.number} joins" in shown
    assert base64.b64encode(ring.joining.secret).decode() not in shown
    assert run("tickets", "show", "edge") == shown


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["rotate", "show"])
def test_a_tier_that_is_not_there_has_no_keys(what: str, var: Path) -> None:
    with pytest.raises(CommandError, match="there is no tier edge"):
        run("tickets", what, "edge")


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["rotate", "show"])
def test_where_no_ads_server_keeps_its_keys_none_are_made(what: str, var: Path) -> None:
    services.apply(document=document(), by=Actor("ann", "cli"), reason="", now=timezone.now())
    generation = selectors.generation("edge")
    with pytest.raises(CommandError, match="runs where that folder is"):
        run("tickets", what, "edge")
    assert not (var / "pki" / "edge").exists()
    assert selectors.generation("edge") == generation


@pytest.mark.django_db
def test_a_rotation_while_another_is_under_way_is_refused(var: Path) -> None:
    declared(var)
    first = run("tickets", "rotate", "edge")
    with pytest.raises(CommandError, match=r"under way already: key .* waits for edge-1, edge-2"):
        run("tickets", "rotate", "edge")
    assert run("tickets", "show", "edge") == first


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["rotate", "show"])
def test_damaged_keys_are_told_with_what_to_do(what: str, var: Path) -> None:
    declared(var)
    (var / "pki" / "edge" / tickets.FILE).write_text("half a f")
    with pytest.raises(CommandError, match="is damaged: remove it"):
        run("tickets", what, "edge")
