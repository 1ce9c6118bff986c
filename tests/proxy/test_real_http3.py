"""HTTP/3 on a real Envoy, spoken by another one: it takes plain requests and sends them on over QUIC."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from proxy import schema
from tests.proxy.world import World
from tests.support.processes import free_port, listening, started, wait_until

pytestmark = pytest.mark.real
SHOP = "shop.test"


def client_bootstrap(port: int, target: int, authority: Path) -> dict[str, Any]:
    """An Envoy that sends what it gets at `port` to `target` over HTTP/3, verifying whom it reaches."""
    types = "type.googleapis.com/envoy.extensions"
    validation = {
        "trusted_ca": {"filename": str(authority)},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": SHOP}}],
    }
    socket = {
        "name": "envoy.transport_sockets.quic",
        "typed_config": {
            "@type": f"{types}.transport_sockets.quic.v3.QuicUpstreamTransport",
            "upstream_tls_context": {"sni": SHOP, "common_tls_context": {"validation_context": validation}},
        },
    }
    options = {
        "@type": f"{types}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http3_protocol_options": {}},
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"},
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "edge"}}
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "client",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(port),
                    "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "edge",
                    "connect_timeout": "2s",
                    "load_assignment": {
                        "cluster_name": "edge",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(target)}}]}],
                    },
                    "transport_socket": socket,
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
                    },
                }
            ],
        }
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextlib.contextmanager
def client_of(world: World) -> Iterator[str]:
    """The address of an HTTP/3 client of edge-1."""
    port, target = free_port(), world.ports["EDGE_1_HTTPS_PORT"]
    path = world.var / "http3-client.json"
    path.write_text(json.dumps(client_bootstrap(port, target, world.var / "pki" / "ca.pem")))
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
