"""Who may connect: the ADS server's certificate, and the proxy that a connection's certificate names."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from django.utils import timezone

from proxy import identities
from proxy.domain.identity import Identity, proxy_of

log = logging.getLogger("sluice.xds")

_SPIFFE_ID, _CERTIFICATE = "peer_spiffe_id", "x509_pem_cert"


def mutual_tls(pki_directory: Path) -> grpc.ServerCredentials:
    """Clients must bear a certificate of the local authority. Each new connection meets the newest files."""

    served = identities.of_server(pki_directory, now=timezone.now())

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """None where nothing is new: gRPC puts what it gets in the place of what other handshakes use at this
        moment, which ends the process (`Check failed: prior > 0`) when hundreds of proxies come at once.
        """
        nonlocal served
        try:
            own = identities.of_server(pki_directory, now=timezone.now())
        except OSError as error:
            log.warning("the ADS server goes on with its certificate: %s", error)
            return None
        if own == served:
            return None
        served = own
        return _configuration(own)

    fetch: Any = renewed  # which may say that nothing is new, though grpc's stubs do not
    return grpc.dynamic_ssl_server_credentials(
        _configuration(served), fetch, require_client_authentication=True
    )


def _configuration(own: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(own.key.encode(), own.certificate.encode())], root_certificates=own.authority.encode()
    )


def peer(context: Any) -> tuple[str, str] | None:
    """The (tier, proxy) that the connection's certificate names; None where it names none."""
    names = context.auth_context().get(_SPIFFE_ID, ())
    return proxy_of(names[0].decode()) if len(names) == 1 else None


def identity_ends_at(context: Any) -> datetime:
    """Until when the connection's certificate is good: a proxy that comes later is not let in."""
    (certificate,) = context.auth_context()[_CERTIFICATE]
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc
