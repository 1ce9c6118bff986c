"""Lanes of traffic: one route through one port of one proxy, over kept, renewed and resumed connections."""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
import h11

from lab import greeter
from lab.http import Connection, Response
from lab.outcomes import NO_ANSWER, Outcome, Outcomes

LIMIT_IN_FLIGHT = 32
REQUESTS_PER_CONNECTION = (
    40  # then it is renewed: about one TLS handshake a second over the whole default mix
)
RESUMED_SHARE = 0.5
TIMEOUT_SECONDS = 10.0
FIRST_BACK_OFF_SECONDS, LAST_BACK_OFF_SECONDS = 0.1, 5.0
PEOPLE = 10_000


class Lane(Protocol):
    name: str

    async def send(self) -> None:
        """Sends one request and counts its outcome; never raises on what a proxy or backend does."""

    async def close(self) -> None: ...


class ResumingContext(ssl.SSLContext):
    """A client context that offers the session of an earlier connection when `session` is set.

    asyncio has no argument for it; it makes its TLS object by this method.
    """

    session: ssl.SSLSession | None = None

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **{**kwargs, "session": self.session})


def client_tls(ca_file: str) -> ResumingContext:
    """Verifies the proxy's certificate and name against the tier's CA. Raises OSError without the file."""
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass
class BackOff:
    """Closed for a growing time after each failure to connect; open again after a success."""

    until: float = 0.0
    seconds: float = FIRST_BACK_OFF_SECONDS

    @property
    def closed(self) -> bool:
        return time.monotonic() < self.until

    def failed(self) -> None:
        self.until = time.monotonic() + self.seconds * random.uniform(0.5, 1)
        self.seconds = min(self.seconds * 2, LAST_BACK_OFF_SECONDS)

    def succeeded(self) -> None:
        self.seconds = FIRST_BACK_OFF_SECONDS


@dataclass
class HttpLane:
    """HTTP/1.1, with `tls` or without."""

    name: str
    route: str
    host: str
    proxy: str
    address: str
    port: int
    outcomes: Outcomes
    method: str = "GET"
    tls: ResumingContext | None = None
    idle: list[Connection] = field(default_factory=list)
    in_flight: int = 0
    back_off: BackOff = field(default_factory=BackOff)
    session: ssl.SSLSession | None = None

    async def send(self) -> None:
        if self.back_off.closed or self.in_flight >= LIMIT_IN_FLIGHT:
            self.outcomes.skipped[self.name] += 1
            return
        self.in_flight += 1
        try:
            response = await asyncio.wait_for(self._exchange(), TIMEOUT_SECONDS)
            self._count(str(response.status), response.headers.get("x-lab-backend", ""))
        except (OSError, h11.ProtocolError, TimeoutError):
            self._count(NO_ANSWER, "")
        finally:
            self.in_flight -= 1

    async def _exchange(self) -> Response:
        connection = await self._connection()
        try:
            response = await connection.request(self.method, *self._message())
        except BaseException:
            connection.close()
            raise
        if connection.tls is not None:
            # With TLS 1.3 the ticket comes after the handshake, with the first answer at the latest.
            self.session = connection.tls.session
        if connection.reusable and connection.served < REQUESTS_PER_CONNECTION:
            self.idle.append(connection)
        else:
            connection.close()
        return response

    async def _connection(self) -> Connection:
        while self.idle:
            connection = self.idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        try:
            connection = await self._connect()
        except OSError:
            self.back_off.failed()
            raise
        self.back_off.succeeded()
        return connection

    async def _connect(self) -> Connection:
        if self.tls is None:
            return await Connection.open(self.address, self.port)
        self.tls.session = self.session if random.random() < RESUMED_SHARE else None
        try:
            connection = await Connection.open(self.address, self.port, self.tls, self.host)
        except ssl.SSLError:
            self.outcomes.handshakes[self.proxy, "failed"] += 1
            raise
        resumed = connection.tls is not None and connection.tls.session_reused
        self.outcomes.handshakes[self.proxy, "resumed" if resumed else "fresh"] += 1
        return connection

    def _message(self) -> tuple[str, dict[str, str], bytes]:
        person = random.randrange(PEOPLE)
        headers = {"host": self.host, "user-agent": "sluice-lab", "x-user-id": str(person)}
        if self.method != "POST":
            return f"/items/{person % 100}", headers, b""
        headers["content-type"] = "application/json"
        return "/charges", headers, b'{"amount": 100, "currency": "EUR"}'

    def _count(self, status: str, backend: str) -> None:
        self.outcomes.answers[Outcome(self.route, self.proxy, status, backend)] += 1

    async def close(self) -> None:
        for connection in self.idle:
            connection.close()


@dataclass
class GreeterLane:
    """gRPC through a channel that is opened once: over TLS with `ca`, else cleartext HTTP/2."""

    name: str
    host: str
    proxy: str
    address: str
    port: int
    outcomes: Outcomes
    ca: bytes | None = None
    in_flight: int = 0
    channel: grpc.aio.Channel = field(init=False)
    call: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        target = f"{self.address}:{self.port}"
        options = [
            ("grpc.max_reconnect_backoff_ms", int(LAST_BACK_OFF_SECONDS * 1000)),
            # One connection a lane: channels to one address would else share it.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.ca is None:
            self.channel = grpc.aio.insecure_channel(
                target, [*options, ("grpc.default_authority", self.host)]
            )
        else:
            named = [*options, ("grpc.ssl_target_name_override", self.host)]
            self.channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(self.ca), named)
        self.call = self.channel.unary_unary(greeter.PATH, None, None)

    async def send(self) -> None:
        if self.in_flight >= LIMIT_IN_FLIGHT:
            self.outcomes.skipped[self.name] += 1
            return
        self.in_flight += 1
        try:
            await self._exchange()
        finally:
            self.in_flight -= 1

    async def _exchange(self) -> None:
        call = self.call(greeter.request_bytes("lab"), timeout=TIMEOUT_SECONDS)
        backend, status = "", "OK"
        try:
            await call
            backend = str(dict(await call.initial_metadata()).get("x-lab-backend", ""))
        except grpc.aio.AioRpcError as error:
            status = error.code().name
            backend = str(dict(error.initial_metadata()).get("x-lab-backend", ""))
        self.outcomes.answers[Outcome("greeter", self.proxy, status, backend)] += 1

    async def close(self) -> None:
        await self.channel.close(None)
