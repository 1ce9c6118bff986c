"""A proxy's admin interface for other machines: Sluice's certificate opens a part of it, and no other does."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from proxy import identities, pki, selectors, services
from proxy.domain.errors import ProxyUnreachable
from proxy.domain.identity import SITE_URI, Identity, admin_host, proxy_uri, tier_uri
from proxy.domain.translate import administration
from proxy.envoy_admin import EnvoyAdmin
from tests.proxy.clients import answers
from tests.proxy.world import World
from tests.support.envoy import command
from tests.support.handshakes import Connection, refused, trusting
from tests.support.processes import free_port, listening, started, wait_until

pytestmark = pytest.mark.real
NAME = admin_host("edge", "edge-3")


@dataclass(frozen=True)
class Remote:
    """A third proxy of the sample tier, for which 127.0.0.2 is the network."""

    world: World
    http_port: int
    admin_port: int
    port: int

    @property
    def pki(self) -> Path:
        return self.world.var / "pki"

    @property
    def admin(self) -> EnvoyAdmin:
        return EnvoyAdmin(site=self.pki / identities.SITE)

    @property
    def address(self) -> str:
        return f"{NAME}@127.0.0.2:{self.port}"

    def shows(self, identity: Identity, folder: Path) -> ssl.SSLContext:
        identities.write_folder(folder, identity)
        return trusting(self.pki / "ca.pem", shows=(folder / "certificate.pem", folder / "certificate.key"))

    def site(self, folder: Path) -> ssl.SSLContext:
        return self.shows(identities.of_site(self.pki, now=timezone.now()), folder)

    def refuses(self, context: ssl.SSLContext) -> bool:
        return refused(self.port, context, name=NAME, host="127.0.0.2")

    def status(self, context: ssl.SSLContext, method: str, path: str) -> int:
        with Connection(self.port, context, name=NAME, host="127.0.0.2") as connection:
            return connection.ask(path, method=method).status


@pytest.fixture
def remote(world: World, tmp_path: Path) -> Iterator[Remote]:
    ports = {name: free_port() for name in ("http_port", "https_port", "admin_port", "admin_tls_port")}
    third = {"name": "edge-3", "address": "127.0.0.2", **ports}
    (sample,) = world.declared()["tiers"]
    world.apply({"proxies": [*sample["proxies"], third], "protection": {"max_connections": 6}})
    bootstrap = tmp_path / "edge-3.json"
    with override_settings(VAR=str(world.var)):
        call_command("bootstrap", "edge-3", ads=world.environment["SLUICE_ADS_BIND"], output=bootstrap)
    ready = lambda: listening(ports["admin_tls_port"], "127.0.0.2")  # noqa: E731
    with started(command(bootstrap), log=tmp_path / "edge-3.log", ready=ready):
        yield Remote(world, ports["http_port"], ports["admin_port"], ports["admin_tls_port"])
    world.wait_acked(world.apply())


def drift(name: str) -> tuple[tuple[str, ...], str]:
    row = next(row for row in selectors.tier("edge").proxies if row.name == name)
    return row.drift, row.trouble


def test_sluice_reads_and_drains_over_mutual_tls_and_nothing_of_it_counts(remote: Remote) -> None:
    row = selectors.tier("edge").proxies[2]
    assert row.admin_address == remote.address
    wait_until(lambda: _settled(), timeout=10, what="the proxy has acknowledged what is served")
    services.readback(admin=remote.admin, now=timezone.now())
    assert drift("edge-3") == ((), "")
    remote.admin.drain(remote.address, True)
    assert remote.admin.draining(remote.address)
    remote.admin.drain(remote.address, False)
    assert not remote.admin.draining(remote.address)
    remote.world.ports["EDGE_3_ADMIN_PORT"] = remote.admin_port
    counted = remote.world.metric("envoy_sluice_rq", proxy="EDGE_3")
    seen = remote.world.metric(
        "envoy_http_downstream_rq_total",
        proxy="EDGE_3",
        envoy_http_conn_manager_prefix=administration.STATISTICS,
    )
    assert (counted, seen > 10) == (0, True)


def _settled() -> bool:
    tier = selectors.tier("edge")
    return tier.proxies[2].acked_generation >= tier.generation


def test_the_plain_admin_port_is_open_on_loopback_only(remote: Remote) -> None:
    assert listening(remote.admin_port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", remote.admin_port), timeout=2).close()


@pytest.mark.parametrize("uri", [proxy_uri("edge", "edge-2"), proxy_uri("wing", "edge-3"), tier_uri("edge")])
def test_no_other_certificate_of_the_local_authority_is_let_in(
    remote: Remote, tmp_path: Path, uri: str
) -> None:
    life, now = identities.LIFE, timezone.now()
    other = pki.issue_identity(remote.pki, uri=uri, server=False, life=life, now=now)
    alike = pki.issue_identity(remote.pki, uri=f"{SITE_URI}2", server=False, life=life, now=now)
    assert remote.refuses(remote.shows(other, tmp_path / "other"))
    assert remote.refuses(remote.shows(alike, tmp_path / "alike"))
    assert not remote.refuses(remote.site(tmp_path / "site"))


def test_nobody_is_let_in_without_a_certificate_nor_by_another_authority_s(
    remote: Remote, tmp_path: Path
) -> None:
    stranger = identities.of_site(tmp_path / "pki", now=timezone.now())
    assert remote.refuses(trusting(remote.pki / "ca.pem"))
    assert remote.refuses(remote.shows(stranger, tmp_path / "stranger"))


def test_of_the_admin_interface_there_is_what_sluice_uses_and_no_more(remote: Remote, tmp_path: Path) -> None:
    site = remote.site(tmp_path)
    reads = {path: remote.status(site, "GET", path) for path in administration.READ}
    told = {path: remote.status(site, "POST", path) for path in administration.TOLD}
    assert {*reads.values(), *told.values()} == {200}
    ways = (
        "/quitquitquit",
        "/ready/../quitquitquit",
        "/ready/..%2fquitquitquit",
        "/%71uitquitquit",
        "//ready",
    )
    changes = (
        "/runtime_modify?split.shop.shop-v2=1",
        "/logging?level=trace",
        "/drain_listeners",
        "/reset_counters",
    )
    others = [(how, path) for how in ("GET", "POST") for path in ("/", *ways, *changes)]
    swapped = [
        *(("POST", path) for path in administration.READ),
        *(("GET", path) for path in administration.TOLD),
    ]
    assert {remote.status(site, how, path) for how, path in [*others, *swapped]} == {400, 404}
    assert remote.admin.overrides(remote.address) == {}


def test_sluice_gets_in_when_the_clients_have_every_connection(remote: Remote, tmp_path: Path) -> None:
    """Six, over all listeners of the proxy."""
    site = remote.site(tmp_path)
    with ExitStack() as stack:
        at = ("127.0.0.2", remote.http_port)
        clients = [stack.enter_context(socket.create_connection(at, timeout=5)) for _ in range(9)]
        wait_until(
            lambda: not all(answers(client, "shop.test") for client in clients), timeout=5, what="full"
        )
        assert remote.status(site, "GET", "/ready") == 200


def test_a_proxy_that_shows_another_name_is_not_the_one(remote: Remote) -> None:
    with pytest.raises(ProxyUnreachable, match="Hostname mismatch"):
        remote.admin.draining(f"{admin_host('edge', 'edge-1')}@127.0.0.2:{remote.port}")


def test_a_machine_without_the_certificate_is_told_what_it_lacks(remote: Remote, tmp_path: Path) -> None:
    services.readback(admin=EnvoyAdmin(site=tmp_path), now=timezone.now())
    assert drift("edge-3")[1] == (
        f"{NAME} asks for Sluice's certificate, and {tmp_path}/ca.pem is not here: ADS servers make it, so share "
        "or copy their folder to this machine"
    )
    assert drift("edge-1")[1] == ""
