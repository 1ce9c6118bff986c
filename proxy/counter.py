"""The connection counter: Envoy has no cap per client address, so a proxy asks here whether a connection may
stay, and tells when it ends.

It keeps nothing but counts in memory, and no proxy waits for it: when it is gone, connections are let in.
"""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from proxy import schema
from proxy.domain.counting import OpenConnections

log = logging.getLogger("sluice.connections")

AUTHORIZATION = "envoy.service.auth.v3.Authorization"
LOGS = "envoy.service.accesslog.v3.AccessLogService"
GRACE_SECONDS = 1.0
TIDY = timedelta(seconds=30)
SHOWN = 10
"""So many clients are told by name: a label of each would be as many series as there are clients."""
OK, PERMISSION_DENIED = 0, 7


class CannotBind(Exception):
    """The address is taken, or is not this machine's."""


@dataclass(slots=True)
class Door:
    """What the two services share: one answers who may come in, the other hears who left."""

    connections: OpenConnections
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _streams: Counter[str] = field(default_factory=Counter)

    def check(self, request: Any, said: dict[str, str]) -> bool:
        """Whether the connection of an Envoy CheckRequest may stay."""
        source = request.attributes.source.address.socket_address
        here = request.attributes.destination.address.socket_address
        ends = (said.get("x-sluice-proxy", ""), here.port_value, source.port_value)
        most = said.get("x-sluice-max-connections", "")
        if not most.isdecimal():
            return True  # no proxy of Sluice's asks like that: nobody is refused for want of a cap
        return self.connections.admit(source.address, ends, most=int(most), now=self.clock())

    def ended(self, message: Any, said: dict[str, str]) -> None:
        """Takes off what an Envoy StreamAccessLogsMessage tells as closed."""
        for entry in message.tcp_logs.log_entry:
            common = entry.common_properties
            source = common.downstream_remote_address.socket_address
            here = common.downstream_local_address.socket_address
            ends = (said.get("x-sluice-proxy", ""), here.port_value, source.port_value)
            self.connections.close(source.address, ends)

    def stream_began(self, proxy: str) -> None:
        """One of the proxy's workers will tell of ends."""
        self._streams[proxy] += 1

    def stream_ended(self, proxy: str) -> None:
        """When the last one is gone so is the proxy, or the way to it: ends will be missed."""
        self._streams[proxy] -= 1
        if self._streams[proxy] <= 0:
            del self._streams[proxy]
            self.connections.forget_proxy(proxy)
            log.info("%s is gone: its connections no longer count", proxy)


class Figures(Collector):
    """The counts as Prometheus reads them."""

    def __init__(self, connections: OpenConnections) -> None:
        self._connections = connections

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        now = self._connections
        yield GaugeMetricFamily("sluice_connections_open", "Connections that count.", value=now.total)
        yield GaugeMetricFamily("sluice_connections_clients", "Clients that hold any.", value=now.clients)
        yield CounterMetricFamily(
            "sluice_connections_refused", "Refused for their number.", value=now.refused
        )
        yield CounterMetricFamily(
            "sluice_connections_uncounted",
            "Let in without counting: the counter is full.",
            value=now.uncounted,
        )
        name, labels = "sluice_connections_most_open", ["tier", "client"]
        most = GaugeMetricFamily(name, "Of the largest clients.", labels=labels)
        for client, _ in now.most_open(SHOWN):
            for tier, held in now.by_tier(client).items():
                most.add_metric([tier, client], held)
        yield most


async def serve(bind: str, *, capacity: int, forgotten_after: timedelta, metrics_port: int | None) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotBind."""
    connections = OpenConnections(capacity)
    server = await start(bind, connections, metrics_port)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    log.info("counting connections on %s", bind)
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TIDY.total_seconds())
        connections.forget_before(datetime.now(UTC) - forgotten_after)
    await server.stop(GRACE_SECONDS)


async def start(
    bind: str, connections: OpenConnections, metrics_port: int | None = None
) -> "grpc.aio.Server":
    """The counter at work in this loop. Raises CannotBind."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(_handlers(Door(connections)))
    try:
        server.add_insecure_port(bind)
        _show(connections, metrics_port)
    except (RuntimeError, OSError) as error:
        raise CannotBind(f"cannot listen on {bind} or for metrics: is the port taken?") from error
    await server.start()
    return server


def _show(connections: OpenConnections, port: int | None) -> None:
    if port is not None:
        registry = CollectorRegistry()
        registry.register(Figures(connections))
        start_http_server(port, addr="127.0.0.1", registry=registry)


def _handlers(door: Door) -> "tuple[grpc.GenericRpcHandler[Any, Any], ...]":
    asked = schema.bundled().message("envoy.service.auth.v3.CheckRequest")
    answer = schema.bundled().message("envoy.service.auth.v3.CheckResponse")
    told = schema.bundled().message("envoy.service.accesslog.v3.StreamAccessLogsMessage")
    heard = schema.bundled().message("envoy.service.accesslog.v3.StreamAccessLogsResponse")

    async def check(request: Any, context: Any) -> Any:
        made: Any = answer()
        made.status.code = OK if door.check(request, _said(context)) else PERMISSION_DENIED
        return made

    async def listen(messages: AsyncIterator[Any], context: Any) -> Any:
        said = _said(context)
        proxy = said.get("x-sluice-proxy", "")
        door.stream_began(proxy)
        try:
            async for message in messages:
                door.ended(message, said)
        finally:
            door.stream_ended(proxy)
        return heard()

    unary = grpc.unary_unary_rpc_method_handler(
        check, request_deserializer=asked.FromString, response_serializer=_serialize
    )
    stream = grpc.stream_unary_rpc_method_handler(
        listen, request_deserializer=told.FromString, response_serializer=_serialize
    )
    return (
        grpc.method_handlers_generic_handler(AUTHORIZATION, {"Check": unary}),
        grpc.method_handlers_generic_handler(LOGS, {"StreamAccessLogs": stream}),
    )


def _said(context: Any) -> dict[str, str]:
    return {key: str(value) for key, value in context.invocation_metadata() or ()}


def _serialize(message: Any) -> bytes:
    made: bytes = message.SerializeToString()
    return made
