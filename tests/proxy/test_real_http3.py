"""HTTP/3 on a real Envoy, spoken by another one: it takes plain requests and sends them on over QUIC."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.drills.speaker import Door, Trust, speaker
from proxy import pki, schema
from tests.proxy.world import World, at
from tests.support.echo import echoing
from tests.support.processes import free_port, listening, started, wait_until

pytestmark = pytest.mark.real
SHOP = "shop.test"


def client_bootstrap(
    port: int, target: int, authority: Path, shows: Mapping[str, Any] | None
) -> dict[str, Any]:
    """An Envoy that sends what it gets at `port` to `target` over HTTP/3, verifying whom it reaches; it shows a
    certificate (Envoy's TlsCertificate) if it is given one.
    """
    tls = {
        "tls_certificates": [shows] if shows else [],
        # It offers nothing that a quantum computer could undo later, so that the tier must take it.
        "tls_params": {"ecdh_curves": ["X25519MLKEM768"]},
    }
    door = Door("edge", port, ("127.0.0.1", target), "http3")
    return speaker([door], Trust(str(authority), SHOP, tls))


@contextlib.contextmanager
def client_of(world: World, shows: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The address of an HTTP/3 client of edge-1."""
    port, target = free_port(), world.ports["EDGE_1_HTTPS_PORT"]
    path = world.var / f"http3-client-{port}.json"
    path.write_text(json.dumps(client_bootstrap(port, target, world.var / "pki" / "ca.pem", shows)))
    argv = [
        str(schema.binary()),
        "-c",
        str(path),
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "-l",
        "warning",
    ]
    log = world.var / "http3-client.log"
    with started(argv, log=log, ready=lambda: listening(port)):
        yield f"http://127.0.0.1:{port}/"


def ask(client: str, host: str = SHOP) -> requests.Response:
    return requests.get(client, headers={"Host": host}, timeout=5)


def test_the_shop_answers_over_http3_and_is_measured_like_any_other(world: World) -> None:
    def seen() -> float:
        return world.metric("envoy_http_downstream_cx_http3_total")

    def measured() -> float:
        return world.metric("envoy_sluice_rq", route="shop", reason="backend")

    connections, requests_ = seen(), measured()
    with client_of(world) as client:
        answer = wait_until(lambda: ask(client), timeout=5, what="an answer")
        assert answer.status_code == 200
        assert answer.headers["x-lab-backend"].startswith("shop-v1")
        assert ask(client, "nobody.test").status_code == 404
    assert seen() > connections
    wait_until(lambda: measured() == requests_ + 1, timeout=5, what="the request counted")


def test_clients_over_tls_are_told_of_http3_and_those_in_the_clear_are_not(world: World) -> None:
    port = world.ports["EDGE_1_HTTPS_PORT"]
    url = f"https://localhost:{port}/"
    secure = requests.get(url, headers={"Host": SHOP}, verify=str(world.var / "pki" / "ca.pem"), timeout=5)
    assert secure.headers["alt-svc"] == f'h3=":{port}"; ma=86400'
    assert "alt-svc" not in world.get(SHOP).headers


def test_clients_are_told_the_port_that_is_mapped_to_the_proxy(world: World) -> None:
    world.wait_acked(world.apply({"tls": {"http3_port": 443}}))
    url = f"https://localhost:{world.ports['EDGE_1_HTTPS_PORT']}/"
    secure = requests.get(url, headers={"Host": SHOP}, verify=str(world.var / "pki" / "ca.pem"), timeout=5)
    assert secure.headers["alt-svc"] == 'h3=":443"; ma=86400'


def test_a_tier_without_http3_neither_answers_nor_offers_it(world: World) -> None:
    world.wait_acked(world.apply({"tls": {"http3": False}}))
    url = f"https://localhost:{world.ports['EDGE_1_HTTPS_PORT']}/"
    secure = requests.get(url, headers={"Host": SHOP}, verify=str(world.var / "pki" / "ca.pem"), timeout=5)
    assert "alt-svc" not in secure.headers
    with client_of(world) as client:
        assert ask(client).status_code == 503


PENALTY = {"prefixes": ["127.0.0.0/8"], "max_connections": 1}


@pytest.mark.parametrize(
    "change", [{"limits": {"max_connections": 1}}, {"protection": {"penalties": [PENALTY]}}]
)
def test_the_limits_of_connections_hold_for_http3(change: dict[str, Any], world: World) -> None:
    world.wait_acked(world.apply(change))
    with client_of(world) as first, client_of(world) as second:
        assert wait_until(lambda: ask(first), timeout=5, what="an answer").status_code == 200
        assert ask(second).status_code == 503
        assert ask(first).status_code == 200


def test_a_client_s_certificate_is_asked_for_and_told_over_http3_too(world: World) -> None:
    spoofed = {"Host": SHOP, "x-forwarded-client-cert": "URI=spiffe://evil"}
    made = pki.issue_identity(
        world.var / "pki", uri="spiffe://shop/billing", server=False, life=timedelta(days=1), now=at(0)
    )
    shows = {
        "certificate_chain": {"inline_string": made.certificate},
        "private_key": {"inline_string": made.key},
    }
    with echoing() as number, client_of(world) as nobody, client_of(world, shows) as billing:
        tls = {"client_certificates": {"ca": "local", "mode": "optional"}}
        world.wait_acked(world.apply({"tls": tls, **sent_to(number)}))
        answer = requests.get(nobody, headers=spoofed, timeout=5)
        assert "x-forwarded-client-cert" not in answer.json()["headers"]
        tls["client_certificates"]["mode"] = "required"
        world.wait_acked(world.apply({"tls": tls, **sent_to(number)}))
        told = requests.get(billing, headers=spoofed, timeout=5).json()["headers"]["x-forwarded-client-cert"]
        assert "URI=spiffe://shop/billing" in told
        assert "evil" not in told
    with client_of(world) as nobody:
        assert ask(nobody).status_code == 503


def sent_to(port: int) -> dict[str, Any]:
    """A tier whose only backend is at this port."""
    return {
        "upstreams": [{"name": "echo", "endpoints": [{"port": port}]}],
        "routes": [{"name": "echo", "hosts": [SHOP], "upstream": "echo"}],
        "objectives": [],
    }
