"""TLS at both ends of a proxy: what is secret comes by its name, all else is here."""

from collections.abc import Sequence
from typing import Any

from proxy.domain.tier import Tier, UpstreamTls, is_ip, seconds
from proxy.domain.translate import kinds, secrets

_SOCKET = "transport_sockets.tls.v3"


def downstream(tier: Tier) -> dict[str, Any]:
    """The transport socket of the TLS listener."""
    return kinds.extension(
        "envoy.transport_sockets.tls", f"{_SOCKET}.DownstreamTlsContext", **_server(tier), **_resumption(tier)
    )


def quic(tier: Tier) -> dict[str, Any]:
    """The transport socket of the HTTP/3 listener. QUIC is TLS 1.3, and its protocol is h3.

    No early data: it can be replayed by whoever saw it, and a proxy cannot tell which requests bear that.
    """
    context = _server(tier)
    shared = context["common_tls_context"]
    curves = {"ecdh_curves": shared["tls_params"]["ecdh_curves"]}
    return kinds.extension(
        "envoy.transport_sockets.quic",
        "transport_sockets.quic.v3.QuicDownstreamTransport",
        enable_early_data=False,
        downstream_tls_context={
            **context,
            "common_tls_context": {**shared, "alpn_protocols": ["h3"], "tls_params": curves},
        },
    )


def upstream(tier: Tier, settings: UpstreamTls, *, alpn: Sequence[str]) -> dict[str, Any]:
    """The transport socket towards backends: their certificate is by the authority and bears one of the
    names.
    """
    names = settings.subject_alt_names or (settings.sni or "",)
    shared: dict[str, Any] = {
        "alpn_protocols": list(alpn),
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": [_named(name) for name in names]},
            "validation_context_sds_secret_config": _secret(secrets.authority_name(settings.ca)),
        },
    }
    if settings.client_certificate is not None:
        own = settings.client_certificate
        name = secrets.client_certificate_name(tier) if own == "tier" else secrets.own_name(own)
        shared["tls_certificate_sds_secret_configs"] = [_secret(name)]
    return kinds.extension(
        "envoy.transport_sockets.tls",
        f"{_SOCKET}.UpstreamTlsContext",
        **({"sni": settings.sni} if settings.sni else {}),
        common_tls_context=shared,
    )


def _server(tier: Tier) -> dict[str, Any]:
    """What TLS over TCP and over QUIC have in common.

    Envoy shows the first certificate that bears the name asked for, or else the very first: the tier's own go
    before the local authority's, which bears every name.
    """
    tls = tier.tls
    names = [*map(secrets.own_name, tls.certificates), secrets.certificate_name(tier)]
    shared: dict[str, Any] = {
        "alpn_protocols": list(tls.alpn_protocols),
        "tls_params": {
            "tls_minimum_protocol_version": tls.tls_minimum_protocol_version,
            "ecdh_curves": list(tls.ecdh_curves),
        },
        "tls_certificate_sds_secret_configs": [_secret(name) for name in names],
    }
    if tls.client_certificates is None:
        return {"common_tls_context": shared}
    # No matcher of names here: with one a certificate is mandatory, whatever `require_client_certificate`
    # says. Who may do what is decided behind the handshake.
    authority = secrets.client_authority_name(tls.client_certificates)
    shared["validation_context_sds_secret_config"] = _secret(authority)
    return {"common_tls_context": shared, "require_client_certificate": tls.requires_client_certificate}


def _resumption(tier: Tier) -> dict[str, Any]:
    return {
        "session_ticket_keys_sds_secret_config": _secret(secrets.tickets_name(tier)),
        "session_timeout": seconds(tier.tls.session_tickets.life),
    }


def _named(name: str) -> dict[str, Any]:
    kind = "URI" if "://" in name else "IP_ADDRESS" if is_ip(name) else "DNS"
    return {"san_type": kind, "matcher": {"exact": name}}


def _secret(name: str) -> dict[str, Any]:
    return {"name": name, "sds_config": kinds.OVER_ADS}
