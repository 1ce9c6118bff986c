"""Files of keys that a tier names: checked before it is published, and served only while they are right."""

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from proxy import vault
from proxy.domain.tier import Tier
from proxy.domain.translate import extensions, kinds, resources
from proxy.domain.translate.secrets import Material
from tests.proxy import factories
from tests.support.tokens import Issuer

KEY = 24 * "k"
IDP = {"name": "idp", "issuer": "https://idp.test", "audiences": ["shop"], "jwks": {"file": "idp.json"}}
JWT, PARTNERS = "envoy.filters.http.jwt_authn", "envoy.filters.http.api_key_auth.partners"


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.SECRETS = tmp_path
    (tmp_path / "idp.json").write_text(Issuer().jwks)
    (tmp_path / "partners.keys").write_text(f"acme: {KEY}\n")
    return tmp_path


def guarded() -> Tier:
    return factories.tier(jwt_providers=[IDP], api_keys=[{"name": "partners", "file": "partners.keys"}])


def told() -> list[tuple[str, str]]:
    return vault.problems(guarded(), now=timezone.now())


def test_files_that_are_right_are_served(folder: Path) -> None:
    assert told() == []
    texts, _ = vault.read(guarded())
    material = Material("", "", (), files=texts)
    made = resources(base=guarded(), live=guarded(), proxy="edge-1", material=material)[kinds.EXTENSION]
    assert made[PARTNERS]["typed_config"]["credentials"] == [{"client": "acme", "key": KEY}]
    assert "kty" in str(made[JWT])


def test_a_file_that_is_missing_or_broken_is_told_with_its_place_and_without_what_is_in_it(
    folder: Path,
) -> None:
    (folder / "idp.json").unlink()
    (folder / "partners.keys").write_text("acme: secret\n")
    assert told() == [
        ("edge.jwt_providers[0].jwks.file", f"{folder}/idp.json: No such file or directory"),
        (
            "edge.api_keys[0].file",
            f"{folder}/partners.keys line 1 has a key of fewer than 20 characters, which can be guessed",
        ),
    ]


def test_an_extension_without_its_file_is_left_out_and_the_others_are_not() -> None:
    material = Material("", "", (), files={"idp.json": "{}"}, withheld=frozenset({"partners.keys"}))
    assert [made["name"] for made in extensions.extensions(guarded(), material)] == [JWT]
    assert extensions.withheld(guarded(), material) == {PARTNERS}


def test_material_does_not_show_what_it_holds() -> None:
    assert KEY not in repr(Material("", "", (), files={"partners.keys": f"acme: {KEY}"}))
