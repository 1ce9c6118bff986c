"""What an Envoy is started with: where its ADS server is, and what it cannot learn from there."""

from collections.abc import Sequence
from typing import Any

from proxy.domain.tier import Proxy, Tier
from proxy.domain.translate import kinds, measuring, overload
from proxy.domain.translate.proof import Proof, transport_socket
from proxy.domain.translate.runtime import LAYER

ADS_CLUSTER = "sluice_ads"
Address = tuple[str, int]
"""A host, by name or number, and a port."""


def bootstrap(
    tier: Tier, proxy: Proxy, *, ads: Sequence[Address], proof: Proof | None, injected: str | None = None
) -> dict[str, Any]:
    """The bootstrap of one proxy as JSON.

    Its node is (tier, proxy); `proof` proves it to the ADS servers, and None is for plaintext. It knows
    each of the servers in `ads`, is with one of them at a time, and goes to another when that is gone.
    `injected` names a file of pressure for drills: see `overload.manager`.
    """
    admin = {"address": proxy.admin_listens_on, "port_value": proxy.admin_port}
    return {
        "node": {"id": proxy.name, "cluster": tier.name},
        "admin": {
            "address": {"socket_address": admin},
            # An operator gets in even when the clients have taken every connection.
            "ignore_global_conn_limit": True,
        },
        "dynamic_resources": {
            "ads_config": _ads(),
            "cds_config": kinds.OVER_ADS,
            "lds_config": kinds.OVER_ADS,
        },
        "static_resources": {"clusters": [ads_cluster(ads, proof)]},
        # The admin layer above the served one is the break-glass for a dead control plane. It stays on top
        # when the control plane is back, and is then shown as drift.
        "layered_runtime": {
            "layers": [
                {"name": LAYER, "rtds_layer": {"name": LAYER, "rtds_config": kinds.OVER_ADS}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        **observed(),
        "overload_manager": overload.manager(tier, injected=injected),
    }


def observed() -> dict[str, Any]:
    """How statistics are kept: flushed as often as they are scraped, since histograms appear at a flush."""
    own = [
        {"match": {"suffix": suffix}, "buckets": list(measuring.BUCKETS_MS)}
        for suffix in ("upstream_rq_time", "downstream_rq_time")
    ]
    # The matched name holds the tags' values too, so that only a prefix can match.
    sluice = {"match": {"prefix": "sluice."}, "buckets": list(measuring.BUCKETS_US)}
    return {
        "stats_flush_interval": "1s",
        "stats_eviction_interval": "3600s",
        "enable_dispatcher_stats": True,
        "stats_config": {"use_all_default_tags": True, "histogram_bucket_settings": [sluice, *own]},
    }


def _ads() -> dict[str, Any]:
    # Back within two seconds of the control plane, not up to thirty.
    back_off = {"retry_back_off": {"base_interval": "0.25s", "max_interval": "2s"}}
    return {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": ADS_CLUSTER, "retry_policy": back_off}}],
    }


def ads_cluster(ads: Sequence[Address], proof: Proof | None) -> dict[str, Any]:
    """The ADS servers, over mutual TLS where there is a proof."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {"connection_keepalive": {"interval": "5s", "timeout": "3s"}}
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
        for host, port in ads
    ]
    return {
        "name": ADS_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
        **({"transport_socket": transport_socket(proof)} if proof else {}),
        "load_assignment": {"cluster_name": ADS_CLUSTER, "endpoints": [{"lb_endpoints": endpoints}]},
    }
