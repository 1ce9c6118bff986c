"""What real proxies show of their secrets and late filters: serial numbers and names, compared at each reading."""

import os
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.utils import timezone

from proxy import materials, pki, selectors, services
from proxy.domain.showing import FILTERS, absent_filters
from proxy.envoy_admin import EnvoyAdmin
from tests.proxy.world import World

pytestmark = pytest.mark.real


def drift(world: World, folder: Path) -> tuple[str, ...]:
    """Of edge-1, with the certificates that lie in this folder for long enough."""
    now = timezone.now() + timedelta(minutes=1)
    serials = partial(materials.serials, folder, now=now)
    services.readback(admin=EnvoyAdmin(), now=now, serials=serials)
    return selectors.tier("edge").proxies[0].drift


def test_the_certificate_that_is_served_is_the_one_that_is_shown(world: World) -> None:
    assert materials.serials(
        world.var / "pki", selectors.base("edge"), now=timezone.now() + timedelta(hours=1)
    )
    assert drift(world, world.var / "pki") == ()


def test_another_certificate_than_the_one_on_disk_is_drift(world: World, tmp_path: Path) -> None:
    certificate, _ = pki.issue(["shop.test"], now=timezone.now())
    (tmp_path / "edge").mkdir()
    file = tmp_path / "edge" / "certificate.pem"
    file.write_bytes(certificate)
    serial = materials.serials(tmp_path, selectors.base("edge"), now=timezone.now() + timedelta(hours=1))
    assert drift(world, tmp_path) == (
        f"secret edge-certificate: the certificate with serial number {serial['edge-certificate']:x}"
        " is not shown",
    )
    moment = timezone.now() + timedelta(seconds=50)
    os.utime(file, (moment.timestamp(), moment.timestamp()))
    assert drift(world, tmp_path) == ()


def test_where_the_files_are_not_nothing_is_compared(world: World, tmp_path: Path) -> None:
    assert drift(world, tmp_path) == ()


def test_a_filter_that_comes_by_itself_is_looked_for_by_its_name(world: World, secrets: Path) -> None:
    (secrets / "partners.keys").write_text("acme: abcdefghij0123456789")
    world.wait_acked(world.apply({"api_keys": [{"name": "partners", "file": "partners.keys"}]}))
    assert drift(world, world.var / "pki") == ()
    section = EnvoyAdmin().sections(world.admin(), [FILTERS])[FILTERS]
    shown = {each["ecds_filter"]["name"] for each in section["configs"]}
    # Envoy still has those of the tests before.
    assert "envoy.filters.http.api_key_auth.partners" in shown
    assert list(absent_filters(shown, section)) == []
    assert list(absent_filters(["another"], section)) == ["filter another is not there"]
