"""Who may connect to the ADS server: a proxy with its own certificate, and nobody else."""

import json
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from proxy import identities, pki, schema
from proxy.domain.identity import ADS_HOST, ADS_URI, Identity
from proxy.domain.translate import kinds
from tests.proxy.world import World
from tests.support.envoy import command
from tests.support.processes import free_port, listening, started, wait_until

pytestmark = pytest.mark.real
STREAM = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
SERVER = ("grpc.ssl_target_name_override", ADS_HOST)


def ask(world: World, node: tuple[str, str], identity: Identity | None, *, wait: float = 5.0) -> Any:
    """What the ADS server answers to the first request of (tier, proxy), or its refusal's code."""
    messages = "envoy.service.discovery.v3"
    request, response = (
        schema.bundled().message(f"{messages}.{name}") for name in ("DiscoveryRequest", "DiscoveryResponse")
    )
    authority = (world.var / "pki" / "ca.pem").read_bytes()
    own = (identity.key.encode(), identity.certificate.encode()) if identity else (None, None)
    credentials = grpc.ssl_channel_credentials(authority, *own)
    first: Any = request(type_url=kinds.SECRET, resource_names=["edge-certificate"])
    first.node.cluster, first.node.id = node
    over = threading.Event()

    def requests() -> Iterator[Any]:
        yield first
        over.wait()

    with grpc.secure_channel(f"127.0.0.1:{world.ports['SLUICE_ADS_PORT']}", credentials, [SERVER]) as channel:
        call: Any = channel.stream_stream(
            STREAM,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        try:
            return call(requests(), timeout=wait).next()
        except grpc.RpcError as error:
            return error.code()
        finally:
            over.set()


@pytest.fixture
def issue(world: World) -> Callable[[str, str], Identity]:
    return lambda tier, proxy: identities.of_proxy(world.var / "pki", tier, proxy, now=timezone.now())


def test_another_proxy_s_or_tier_s_certificate_is_refused(
    world: World, issue: Callable[[str, str], Identity]
) -> None:
    denied = grpc.StatusCode.PERMISSION_DENIED
    assert ask(world, ("edge", "edge-1"), issue("edge", "edge-2")) == denied
    assert ask(world, ("edge", "edge-1"), issue("other", "edge-1")) == denied
    assert "its certificate is that of other/edge-1" in (world.var / "xds.log").read_text()


def test_no_certificate_or_a_stranger_s_gets_no_connection(world: World, tmp_path: Path) -> None:
    gone = grpc.StatusCode.UNAVAILABLE
    assert ask(world, ("edge", "edge-1"), None) == gone
    stranger = identities.of_proxy(tmp_path, "edge", "edge-1", now=timezone.now())
    assert ask(world, ("edge", "edge-1"), stranger) == gone


def test_the_certificate_of_the_site_or_of_the_ads_server_is_no_proxy_s(world: World) -> None:
    folder, now = world.var / "pki", timezone.now()
    site = Identity(
        (folder / "edge" / "certificate.pem").read_text(),
        (folder / "edge" / "certificate.key").read_text(),
        "",
    )
    as_client = pki.issue_identity(folder, uri=ADS_URI, server=False, life=timedelta(days=1), now=now)
    assert ask(world, ("edge", "edge-1"), site) == grpc.StatusCode.UNAVAILABLE
    assert ask(world, ("edge", "edge-1"), as_client) == grpc.StatusCode.PERMISSION_DENIED


def test_an_ended_certificate_is_refused(world: World) -> None:
    long_ago = timezone.now() - identities.LIFE - timedelta(days=1)
    ended = identities.of_proxy(world.var / "pki", "edge", "edge-1", now=long_ago)
    assert ask(world, ("edge", "edge-1"), ended) == grpc.StatusCode.UNAVAILABLE


def test_its_own_certificate_gets_a_proxy_its_own_tier(
    world: World, issue: Callable[[str, str], Identity]
) -> None:
    answer = ask(world, ("edge", "edge-1"), issue("edge", "edge-1"))
    assert [(each.type_url, b"edge-certificate" in each.value) for each in answer.resources] == [
        (kinds.SECRET, True)
    ]
    undeclared = ask(world, ("edge", "edge-9"), issue("edge", "edge-9"), wait=0.5)
    assert undeclared == grpc.StatusCode.DEADLINE_EXCEEDED  # let in, and given nothing


def test_a_proxy_refuses_an_ads_server_that_is_none(world: World, tmp_path: Path) -> None:
    """A certificate of the same authority for a host name, which it also gives to the tier's sites."""
    file = tmp_path / "bootstrap.json"
    with override_settings(VAR=str(world.var)):
        call_command("bootstrap", "edge-1", ads=world.environment["SLUICE_ADS_BIND"], output=file)
    text = file.read_text()
    assert ADS_URI in text
    file.write_text(
        text.replace(ADS_URI, "spiffe://sluice/_/another").replace(
            f'"port_value": {world.ports["EDGE_1_ADMIN_PORT"]}', f'"port_value": {free_port()}'
        )
    )
    log = tmp_path / "envoy.log"
    argv = command(file)
    with started(argv, log=log):
        wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in log.read_text(), timeout=10, what="the refusal")


def test_files_that_are_replaced_are_a_proxy_s_new_identity_without_a_start(
    world: World, tmp_path: Path
) -> None:
    """The first certificate has ended, so the proxy is refused until its files are renewed."""
    folder, file = tmp_path / "identity", tmp_path / "bootstrap.json"
    port = world.ports["EDGE_2_HTTP_PORT"]
    with override_settings(VAR=str(world.var)):
        call_command(
            "bootstrap", "edge-2", ads=world.environment["SLUICE_ADS_BIND"], output=file, folder=folder
        )
    long_ago = timezone.now() - identities.LIFE - timedelta(days=1)
    ended = identities.of_proxy(world.var / "pki", "edge", "edge-2", now=long_ago)
    right = identities.of_proxy(world.var / "pki", "edge", "edge-2", now=timezone.now())
    identities.write_folder(folder, ended)
    world.stop_envoy("edge-2")
    log = tmp_path / "envoy.log"

    def refused() -> bool:
        return "StreamAggregatedResources gRPC config stream" in log.read_text()

    argv = command(file)
    try:
        with started(argv, log=log):
            wait_until(refused, timeout=10, what="the refusal")
            assert not listening(port)
            identities.write_folder(folder, right)
            wait_until(lambda: listening(port), timeout=15, what="served with the new certificate")
    finally:
        world.start_envoy("edge-2")


def test_a_bootstrap_is_for_its_owner_s_eyes_and_envoy_takes_it(world: World, tmp_path: Path) -> None:
    file = tmp_path / "edge-1.json"
    with override_settings(VAR=str(world.var)):
        call_command("bootstrap", "edge/edge-1", ads="10.0.0.1:18000,ads.example:18000", output=file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = json.loads(file.read_text())
    ends = made["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert [end["endpoint"]["address"]["socket_address"]["address"] for end in ends] == [
        "10.0.0.1",
        "ads.example",
    ]
    ran = subprocess.run(
        [str(schema.binary()), "--mode", "validate", "-c", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"configuration '{file}' OK" in ran.stdout


def test_plaintext_is_for_loopback_only() -> None:
    with override_settings(ADS_PLAINTEXT=True), pytest.raises(CommandError, match="open to others"):
        call_command("xds", bind="0.0.0.0:18000")
