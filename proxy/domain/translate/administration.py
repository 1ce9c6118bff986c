"""A proxy's admin interface for those on other machines: over mutual TLS, and only the part that Sluice uses.

Envoy's own speaks plaintext and has no login. This listener asks for Sluice's certificate and hands a few
paths on to it, on the proxy's loopback; nobody stops an Envoy or sets a runtime key by it.
"""

from typing import Any

from proxy.domain.identity import SITE_URI
from proxy.domain.tier import LOOPBACK, Proxy, Tier
from proxy.domain.tier.tls import LOCAL
from proxy.domain.translate import companions, kinds, secrets
from proxy.domain.translate.secrets import Material

_SEEN = ("certs", "clusters", "config_dump", "ready", "runtime", "server_info", "stats", "stats/prometheus")
READ = tuple(f"/{name}" for name in _SEEN)
TOLD = ("/healthcheck/fail", "/healthcheck/ok")
"""By these a proxy is drained."""

STATISTICS = "sluice_admin"
"""The name in the statistics, beside the tier's own."""

MOST_CONNECTIONS = 256
"""Strangers who hold connections without a certificate cost the proxy no more than these, for 5 s each."""


def listeners(tier: Tier, proxy: Proxy) -> list[dict[str, Any]]:
    """The one of this proxy; none without a port for it.

    It stands outside of the clients' limits: one can see into a proxy that is full.
    """
    if proxy.admin_tls_port is None:
        return []
    address = {"address": proxy.listen_address, "port_value": proxy.admin_tls_port}
    chain = {
        "transport_socket": _tls(tier, proxy),
        "transport_socket_connect_timeout": "5s",
        "filters": [_manager(proxy)],
    }
    return [
        {
            "@type": kinds.LISTENER,
            "name": _name(tier),
            "stat_prefix": STATISTICS,
            "address": {"socket_address": address},
            "ignore_global_conn_limit": True,
            "bypass_overload_manager": True,
            "filter_chains": [chain],
        }
    ]


def clusters(tier: Tier) -> list[dict[str, Any]]:
    """The plain admin ports on loopback, one for all proxies that have the same."""
    ports = {proxy.admin_port for proxy in tier.proxies if proxy.admin_tls_port is not None}
    return [companions.cluster(_cluster(port), [(LOOPBACK, port)], http2=False) for port in sorted(ports)]


def own_secrets(tier: Tier, proxy: Proxy, material: Material) -> list[dict[str, Any]]:
    """What the proxy shows there, which no other proxy gets, and whom it trusts."""
    if proxy.admin_tls_port is None:
        return []
    trusted = {"trusted_ca": {"inline_string": material.file(LOCAL)}}
    return [
        secrets.tls_certificate(_certificate(tier, proxy), *material.admin.get(proxy.name, ("", ""))),
        secrets.validation(secrets.authority_name(LOCAL), trusted),
    ]


def connection_limits(tier: Tier) -> dict[str, int]:
    """Of the listener, as a runtime key. It has no other place."""
    if all(proxy.admin_tls_port is None for proxy in tier.proxies):
        return {}
    return {f"envoy.resource_limits.listener.{_name(tier)}.connection_limit": MOST_CONNECTIONS}


def _name(tier: Tier) -> str:
    return f"{tier.name}_admin"  # an underscore, which no tier's name can bear


def _cluster(port: int) -> str:
    return f"{STATISTICS}_{port}"


def _certificate(tier: Tier, proxy: Proxy) -> str:
    return f"{_name(tier)} {proxy.name}"


def _tls(tier: Tier, proxy: Proxy) -> dict[str, Any]:
    """Nothing is resumed: who has ended is out with the next connection."""
    site = {"san_type": "URI", "matcher": {"exact": SITE_URI}}
    common = {
        "alpn_protocols": ["http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificate_sds_secret_configs": [_over_ads(_certificate(tier, proxy))],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": [site]},
            "validation_context_sds_secret_config": _over_ads(secrets.authority_name(LOCAL)),
        },
    }
    return kinds.extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
        common_tls_context=common,
    )


def _over_ads(name: str) -> dict[str, Any]:
    return {"name": name, "sds_config": kinds.OVER_ADS}


def _manager(proxy: Proxy) -> dict[str, Any]:
    routes = [_route(path, "GET", proxy) for path in READ] + [_route(path, "POST", proxy) for path in TOLD]
    return kinds.extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=STATISTICS,
        codec_type="HTTP1",
        route_config={
            "name": STATISTICS,
            "virtual_hosts": [{"name": STATISTICS, "domains": ["*"], "routes": routes}],
            "validate_clusters": False,
        },
        http_filters=[kinds.extension("envoy.filters.http.router", "filters.http.router.v3.Router")],
        normalize_path=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        common_http_protocol_options={"idle_timeout": "60s", "max_connection_duration": "600s"},
        http1_safe_max_connection_duration=True,
        request_headers_timeout="5s",
        stream_idle_timeout="30s",
    )


def _route(path: str, method: str, proxy: Proxy) -> dict[str, Any]:
    asked = [{"name": ":method", "string_match": {"exact": method}}]
    return {
        "match": {"path": path, "headers": asked},
        "route": {"cluster": _cluster(proxy.admin_port), "timeout": "10s"},
    }
