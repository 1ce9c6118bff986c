"""gRPC as JSON: what a client asks by HTTP and JSON, an upstream answers by gRPC."""

from typing import Any

from proxy.domain.tier import Route, Tier
from proxy.domain.tier.transformation import Transcode
from proxy.domain.translate import kinds

FILTER = "sluice.transcode"
_MESSAGE = "filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"


def filters(tier: Tier) -> list[dict[str, Any]]:
    """Without a service until a route has one."""
    if all(route.transcode is None for route in tier.routes):
        return []
    return [{**kinds.extension(FILTER, _MESSAGE, proto_descriptor_bin="", services=[]), "disabled": True}]


def per_route(route: Route) -> dict[str, Any]:
    """The route's services; gRPC passes as it is."""
    if route.transcode is None:
        return {}
    return {FILTER: kinds.on_route(_MESSAGE, **_services(route.transcode))}


def _services(settings: Transcode) -> dict[str, Any]:
    """The route stays the one that the client's own path chose; a failed status becomes JSON too, under the
    HTTP status that belongs to it.
    """
    return {
        "proto_descriptor_bin": settings.descriptor_set,
        "services": list(settings.services),
        "auto_mapping": settings.auto_mapping,
        "ignore_unknown_query_parameters": settings.ignore_unknown_query_parameters,
        # Else they go on as they are, and when the gRPC service breaks them off that is the proxy's failure.
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": not settings.ignore_unknown_query_parameters,
        },
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "print_options": {
            "preserve_proto_field_names": settings.preserve_proto_field_names,
            "always_print_primitive_fields": settings.always_print_primitive_fields,
        },
    }
