"""A tiny OpenTelemetry collector: keeps the spans that it is sent over gRPC."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc

from proxy import schema
from tests.support.processes import free_port

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_MESSAGES = "opentelemetry.proto.collector.trace.v1"


@dataclass
class Collector:
    """`spans` are (service name, span), in the order in which they came."""

    port: int
    spans: list[tuple[str, Any]] = field(default_factory=list)

    def take(self, request: Any, _: Any) -> Any:
        for resource in request.resource_spans:
            service = attributes(resource.resource).get("service.name", "")
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        return schema.bundled().message(f"{_MESSAGES}.ExportTraceServiceResponse")()

    def of_trace(self, trace: str) -> list[tuple[str, Any]]:
        return [(service, span) for service, span in self.spans if span.trace_id.hex() == trace]


def attributes(node: Any) -> dict[str, str]:
    return {item.key: item.value.string_value for item in node.attributes}


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    found = Collector(free_port())
    export = grpc.unary_unary_rpc_method_handler(
        found.take,
        request_deserializer=schema.bundled().message(f"{_MESSAGES}.ExportTraceServiceRequest").FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
    server.add_insecure_port(f"127.0.0.1:{found.port}")
    server.start()
    try:
        yield found
    finally:
        server.stop(None).wait()
