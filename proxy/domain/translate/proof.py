"""How a proxy proves who it is: its certificate in the bootstrap itself, or in files that may be renewed."""

from dataclasses import dataclass
from typing import Any

from proxy.domain.identity import ADS_URI, Identity
from proxy.domain.translate import kinds

CERTIFICATE, KEY, AUTHORITY, SECRET = "certificate.pem", "certificate.key", "ca.pem", "identity.json"
_NAME = "identity"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the files lie on the proxy's machine. Files that are replaced there are taken without a start."""

    path: str


Proof = Identity | Folder


def transport_socket(proof: Proof) -> dict[str, Any]:
    """TLS to the ADS server, which must be the one that the authority named so."""
    common = _inline(proof) if isinstance(proof, Identity) else _watched(proof)
    authority = (
        {"inline_string": proof.authority}
        if isinstance(proof, Identity)
        else {"filename": f"{proof.path}/{AUTHORITY}"}
    )
    return kinds.extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={
            # Unset, the most that Envoy speaks as a client is 1.2.
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_3",
                "tls_maximum_protocol_version": "TLSv1_3",
            },
            **common,
            "validation_context": {
                "trusted_ca": authority,
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": ADS_URI}}],
            },
        },
    )


def secret(folder: Folder) -> dict[str, Any]:
    """The file SECRET of the folder: it names the others, and has Envoy look again when one is replaced."""
    return {
        "resources": [
            {
                "@type": kinds.SECRET,
                "name": _NAME,
                "tls_certificate": {
                    "certificate_chain": {"filename": f"{folder.path}/{CERTIFICATE}"},
                    "private_key": {"filename": f"{folder.path}/{KEY}"},
                    "watched_directory": {"path": folder.path},
                },
            }
        ]
    }


def _inline(identity: Identity) -> dict[str, Any]:
    certificate = {
        "certificate_chain": {"inline_string": identity.certificate},
        "private_key": {"inline_string": identity.key},
    }
    return {"tls_certificates": [certificate]}


def _watched(folder: Folder) -> dict[str, Any]:
    source = {"path_config_source": {"path": f"{folder.path}/{SECRET}"}, "resource_api_version": "V3"}
    return {"tls_certificate_sds_secret_configs": [{"name": _NAME, "sds_config": source}]}
