"""All backends of the sample tier in one process, with faults and counts behind a control port.

HTTP/1.1 backends answer JSON naming themselves, or as many zeros as `?bytes=` says (4 MiB at most); the
greeters speak gRPC over cleartext HTTP/2. Every answer bears `x-lab-backend`. `LAB_BIND` is the address to
listen on (127.0.0.1). The control port:

    GET /faults             the fault of every backend
    POST /faults            {"backend": "shop-v2", "error_rate": 0.3, ...}: see `lab.faults.Fault`
    DELETE /faults          health everywhere; with ?backend= only there
    GET /counts             requests of every backend: in all, first attempts, retries, last second, last time
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc

from lab import faults, greeter, ports
from lab.faults import HEALTHY, BadFault, Fault
from lab.http import Request, Response, Server

LOOPBACK = "127.0.0.1"
MOST_BYTES = 4 << 20
# Upstream, backend, the variable of its port, median service time in milliseconds.
HTTP_BACKENDS = (
    ("shop-v1", "shop-v1-a", "LAB_SHOP_V1_A_PORT", 3.0),
    ("shop-v1", "shop-v1-b", "LAB_SHOP_V1_B_PORT", 3.0),
    ("shop-v2", "shop-v2-a", "LAB_SHOP_V2_A_PORT", 3.0),
    ("payments", "payments-a", "LAB_PAYMENTS_A_PORT", 6.0),
    ("admin", "admin-a", "LAB_ADMIN_A_PORT", 2.0),
)
GRPC_BACKENDS = (
    ("greeter", "greeter-a", "LAB_GREETER_A_PORT", 2.0),
    ("greeter", "greeter-b", "LAB_GREETER_B_PORT", 2.0),
    ("greeter", "greeter-c", "LAB_GREETER_C_PORT", 2.0),
)
# gRPC's own code for an HTTP status (googleapis/google/rpc/code.proto); other failures are INTERNAL.
GRPC_CODES = {429: grpc.StatusCode.RESOURCE_EXHAUSTED, 503: grpc.StatusCode.UNAVAILABLE}


@dataclass
class Counts:
    """Requests that reached one backend."""

    total: int = 0
    first: int = 0  # x-envoy-attempt-count 1, or none: not sent by a proxy
    retried: int = 0  # x-envoy-attempt-count 2 and up
    failed: int = 0  # answered with the fault's status, or cut
    last_at: float | None = None  # Unix time
    _second: int = 0
    _in_second: int = 0
    _in_second_before: int = 0

    def add(self, attempt: int, now: float) -> None:
        self.total += 1
        self.first += attempt <= 1
        self.retried += attempt > 1
        self.last_at = now
        self._turn(int(now))
        self._in_second += 1

    def in_last_second(self, now: float) -> int:
        """Requests in the last whole second."""
        self._turn(int(now))
        return self._in_second_before

    def _turn(self, second: int) -> None:
        if second != self._second:
            self._in_second_before = self._in_second if second == self._second + 1 else 0
            self._second, self._in_second = second, 0

    def as_json(self, now: float) -> dict[str, Any]:
        return {
            "total": self.total,
            "first": self.first,
            "retried": self.retried,
            "failed": self.failed,
            "last_second": self.in_last_second(now),
            "last_at": self.last_at,
        }


@dataclass
class Backend:
    """One backend's behaviour, whatever its protocol."""

    upstream: str
    name: str
    port: int
    median_ms: float
    address: str = LOOPBACK
    fault: Fault = HEALTHY
    counts: Counts = field(default_factory=Counts)

    async def serve(self, attempt: int) -> bool:
        """Counts a request, takes its time, and tells whether it is to be answered well."""
        self.counts.add(attempt, time.time())
        fault = self.fault
        fails = fault.fails(attempt, random.random())
        await asyncio.sleep(fault.seconds(self.median_ms, random.random()))
        self.counts.failed += fails
        return not fails

    async def apply(self, fault: Fault) -> None:
        self.fault = fault

    async def close(self) -> None:
        """Ends the listening socket and the connections."""


def attempt_of(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 1


@dataclass
class HttpBackend(Backend):
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = Server(self.port, self.answer, self.address)

    async def answer(self, request: Request) -> Response | None:
        headers = {"x-lab-backend": self.name}
        if await self.serve(attempt_of(request.headers.get("x-envoy-attempt-count"))):
            if size := request.query.get("bytes", ""):
                return Response(200, bytes(min(int(size), MOST_BYTES) if size.isdecimal() else 0), headers)
            answer = {"backend": self.name, "method": request.method, "path": request.path}
            return Response.of(answer, headers=headers)
        if self.fault.reset:
            return None
        if self.fault.retry_after is not None:
            headers["retry-after"] = str(self.fault.retry_after)
        return Response.of({"backend": self.name, "error": "injected"}, self.fault.status, headers)

    async def apply(self, fault: Fault) -> None:
        await super().apply(fault)
        if fault.refuse:
            self.server.close()
        else:
            await self.server.open()

    async def close(self) -> None:
        self.server.close()
        await self.server.ended()


@dataclass
class GreeterBackend(Backend):
    server: grpc.aio.Server | None = field(default=None, init=False)

    async def say_hello(
        self, request: greeter.HelloRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> bytes:
        metadata = dict(context.invocation_metadata() or ())
        await context.send_initial_metadata((("x-lab-backend", self.name),))
        if not await self.serve(attempt_of(str(metadata.get("x-envoy-attempt-count", "")))):
            await context.abort(GRPC_CODES.get(self.fault.status, grpc.StatusCode.INTERNAL), "injected")
        return greeter.reply_bytes(f"Hello {request.name} from {self.name}")

    async def open(self) -> None:
        if self.server is not None:
            return
        # Without this option a second process could take the same port and share its connections.
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        method = grpc.unary_unary_rpc_method_handler(
            self.say_hello, request_deserializer=greeter.read_request
        )
        handler = grpc.method_handlers_generic_handler(greeter.SERVICE, {greeter.METHOD: method})
        server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(f"{self.address}:{self.port}")
        await server.start()
        self.server = server

    async def apply(self, fault: Fault) -> None:
        await super().apply(fault)
        if fault.refuse:
            await self.close()
        else:
            await self.open()

    async def close(self) -> None:
        if self.server is not None:
            server, self.server = self.server, None
            await server.stop(grace=None)


class World:
    """Every backend and the control port."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        number = ports.from_environment(environment)
        address = environment.get("LAB_BIND") or LOOPBACK
        self.backends: dict[str, HttpBackend | GreeterBackend] = {}
        for kind, rows in ((HttpBackend, HTTP_BACKENDS), (GreeterBackend, GRPC_BACKENDS)):
            for upstream, name, variable, median_ms in rows:
                self.backends[name] = kind(upstream, name, number[variable], median_ms, address)
        self.upstreams: dict[str, list[str]] = {}
        for backend in self.backends.values():
            self.upstreams.setdefault(backend.upstream, []).append(backend.name)
        self.control = Server(number["LAB_CONTROL_PORT"], self.answer, address)

    async def open(self) -> None:
        """Listens everywhere, the control port last: when that answers, all do."""
        for backend in self.backends.values():
            await backend.apply(HEALTHY)
        await self.control.open()

    async def close(self) -> None:
        self.control.close()
        await asyncio.gather(*(backend.close() for backend in self.backends.values()))

    async def answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/faults":
                return self._faults()
            case "POST", "/faults":
                return await self._set(request.body)
            case "DELETE", "/faults":
                return await self._heal(request.query.get("backend"))
            case "GET", "/counts":
                now = time.time()
                counts = {name: backend.counts.as_json(now) for name, backend in self.backends.items()}
                return Response.of({"at": now, "counts": counts})
        return Response.of({"error": "no such page"}, 404)

    def _faults(self) -> Response:
        return Response.of({name: faults.as_json(backend.fault) for name, backend in self.backends.items()})

    async def _set(self, body: bytes) -> Response:
        try:
            names, fault = faults.read(json.loads(body), self.upstreams)
        except json.JSONDecodeError as error:
            return Response.of({"errors": {"": f"is not JSON: {error}"}}, 422)
        except BadFault as error:
            return Response.of({"errors": error.errors}, 422)
        for name in names:
            await self.backends[name].apply(fault)
        return self._faults()

    async def _heal(self, name: str | None) -> Response:
        names = list(self.backends) if name is None else faults.matching(name, self.upstreams)
        if not names:
            return Response.of({"errors": {"backend": "is unknown"}}, 422)
        for backend in names:
            await self.backends[backend].apply(HEALTHY)
        return self._faults()


async def run(environment: Mapping[str, str]) -> None:
    """Serves until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    world = World(environment)
    try:
        await world.open()
        await ended.wait()
    finally:
        await world.close()


def main() -> int:
    try:
        asyncio.run(run(os.environ))
    except (OSError, ports.BadPort) as error:
        sys.stderr.write(f"backends: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
