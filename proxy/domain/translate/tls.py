"""TLS towards clients: certificates and ticket keys come as secrets, all else is here."""

from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import kinds
from proxy.domain.translate.secrets import certificate_name, tickets_name


def downstream(tier: Tier) -> dict[str, Any]:
    """The transport socket of the TLS listener."""
    return kinds.extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "ecdh_curves": ["X25519", "P-256"]},
            "tls_certificate_sds_secret_configs": [
                {"name": certificate_name(tier), "sds_config": kinds.OVER_ADS}
            ],
        },
        session_ticket_keys_sds_secret_config={"name": tickets_name(tier), "sds_config": kinds.OVER_ADS},
    )
