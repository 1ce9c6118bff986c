"""What a proxy gets for an admin interface over mutual TLS, and what nobody else gets of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxy import identities, materials
from proxy.ads.snapshot import Renderer
from proxy.domain import document
from proxy.domain.errors import Invalid, ProxyUnreachable
from proxy.domain.identity import admin_host, admin_uri, proxy_of
from proxy.domain.tier import Tier
from proxy.domain.translate import administration, kinds, of_proxy
from proxy.domain.translate.bootstrap import bootstrap
from proxy.domain.translate.secrets import Material
from proxy.envoy_session import Sessions
from tests.proxy.factories import tier

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
MATERIAL = Material("", "", (), admin={"edge-1": ("certificate", "key")}, files={"local": "authority"})


def served(*ports: int | None) -> Tier:
    """A proxy for each port of an admin interface."""
    proxies = [
        {
            "name": f"edge-{n}",
            "http_port": n,
            "https_port": 10 + n,
            "admin_port": 20 + n,
            "admin_tls_port": port,
        }
        for n, port in enumerate(ports, start=1)
    ]
    return tier(proxies=proxies)


def test_the_declaration_gives_the_golden_listener_cluster_and_secrets(
    request: pytest.FixtureRequest,
) -> None:
    (given,) = document.parse(document.load((GOLDEN / "administration.yaml").read_text(), environment={}))
    found = {
        "listener": administration.listeners(given, given.proxies[0]),
        "cluster": administration.clusters(given),
        "secret": administration.own_secrets(given, given.proxies[0], MATERIAL),
        "runtime": administration.connection_limits(given),
    }
    golden = GOLDEN / "administration.json"
    if request.config.getoption("--update-golden", default=False):
        golden.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(golden.read_text())


def test_a_proxy_without_the_port_has_none_of_it_and_listens_as_declared() -> None:
    plain = served(None)
    made = of_proxy(plain, "edge-1", MATERIAL)
    assert (list(made[kinds.LISTENER]), made[kinds.SECRET]) == (["edge-http", "edge-https", "edge-http3"], {})
    assert (administration.clusters(plain), administration.connection_limits(plain)) == ([], {})


@pytest.mark.parametrize(("port", "listens_on"), [(None, "10.0.0.1"), (9443, "127.0.0.1")])
def test_with_the_port_the_plain_one_listens_on_loopback(port: int | None, listens_on: str) -> None:
    given = served(port)
    proxy = given.proxies[0].model_copy(update={"address": "edge-1.internal", "bind": "10.0.0.1"})
    made = bootstrap(given, proxy, ads=[("ads", 1)], proof=None)
    assert made["admin"]["address"]["socket_address"] == {"address": listens_on, "port_value": 21}


def test_a_proxy_gets_its_own_key_and_not_its_neighbour_s(tmp_path: Path) -> None:
    given = served(9443, 9444, None)
    material, problems = materials.of(tmp_path, given, now=NOW)
    made = Renderer().snapshots(base=given, live=given, generation=1, material=material)
    names = {name: set(each.kinds[kinds.SECRET].named) for name, each in made.items()}
    shared = {"edge-certificate", "edge-tickets"}
    assert problems == []
    assert names == {
        "edge-1": {*shared, "authority local", "edge_admin edge-1"},
        "edge-2": {*shared, "authority local", "edge_admin edge-2"},
        "edge-3": shared,
    }
    assert material.admin["edge-1"] != material.admin["edge-2"]


def test_sluice_s_own_certificate_is_there_as_soon_as_somebody_asks_for_it(tmp_path: Path) -> None:
    materials.of(tmp_path, served(None), now=NOW)
    assert not (tmp_path / identities.SITE).exists()
    materials.of(tmp_path, served(9443), now=NOW)
    found = sorted(file.name for file in (tmp_path / identities.SITE).iterdir())
    assert found == ["ca.pem", "certificate.key", "certificate.pem"]


def test_a_certificate_that_is_damaged_or_about_to_end_is_made_anew(tmp_path: Path) -> None:
    first = identities.of_site(tmp_path, now=NOW)
    assert identities.of_site(tmp_path, now=NOW + timedelta(days=19)) == first
    (tmp_path / identities.SITE / "certificate.pem").write_text("damaged")
    second = identities.of_site(tmp_path, now=NOW)
    assert second.certificate not in ("damaged", first.certificate)
    assert identities.of_site(tmp_path, now=NOW + timedelta(days=21)) != second


def test_a_process_without_the_certificate_makes_no_authority_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ProxyUnreachable, match="share or copy their folder"):
        Sessions(tmp_path).to("edge-1.edge._sluice@10.0.0.1:9443")
    assert list(tmp_path.iterdir()) == []


def test_no_route_and_no_proxy_can_bear_the_names_of_an_admin_interface() -> None:
    host = admin_host("edge", "edge-1")
    with pytest.raises(ValueError, match="not a host"):
        tier(routes=[{"name": "shop", "hosts": [host], "upstream": "shop-v1"}])
    assert proxy_of(admin_uri("edge", "edge-1")) is None


def test_a_port_that_stands_twice_is_told_by_its_field() -> None:
    raw = {"tiers": [served(9443).declaration()]}
    raw["tiers"][0]["proxies"][0]["admin_tls_port"] = 1
    with pytest.raises(Invalid, match=r"proxies\[0\]\.admin_tls_port: port 1 is already edge-1's http_port"):
        document.parse(raw)
