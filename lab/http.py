"""The lab's HTTP/1.1: a small server and a keep-alive client over asyncio streams.

h11 owns the protocol; this module only moves bytes. A web framework would do, but the backends must close and
reopen their listening socket and cut connections in mid-request, which frameworks hide.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import h11

READ_BYTES = 65536
IDLE_SECONDS = 300.0
END_SECONDS = 2.0
BODY_LIMIT = 1 << 20


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """A JSON answer."""
        body = json.dumps(document).encode()
        return cls(status, body, {"content-type": "application/json", **(headers or {})})


# None cuts the connection without an answer.
Answer = Callable[[Request], Awaitable[Response | None]]


class Server:
    """Serves one loopback port; can stop listening, as a dead process would, and listen again."""

    def __init__(self, port: int, answer: Answer, host: str = "127.0.0.1") -> None:
        self.port = port
        self._host = host
        self._answer = answer
        self._listener: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[Any]] = set()

    @property
    def listening(self) -> bool:
        return self._listener is not None

    async def open(self) -> None:
        """Starts to listen. Raises OSError when the port is taken."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connection, self._host, self.port, backlog=512)

    def close(self) -> None:
        """Stops listening and resets every connection: new ones are refused."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in list(self._open):
            writer.transport.abort()

    async def ended(self) -> None:
        """After `close`: returns when nothing of it runs any more, or after two seconds."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=END_SECONDS)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            await self._requests(reader, writer)
        except (OSError, h11.ProtocolError, TimeoutError):
            pass  # The client left, spoke no HTTP, or was idle too long: only this connection ends.
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            request = await _read_request(connection, reader)
            if request is None:
                return
            response = await self._answer(request)
            if response is None:
                return
            writer.write(_response_bytes(connection, response, with_body=request.method != "HEAD"))
            await writer.drain()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                await _flush(writer)
                return
            connection.start_next_cycle()


async def _flush(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def _event(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await asyncio.wait_for(reader.read(READ_BYTES), IDLE_SECONDS))
    return event


async def _read_body(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while isinstance(event := await _event(connection, reader), h11.Data):
        body += event.data
        if len(body) > BODY_LIMIT:
            raise h11.RemoteProtocolError("body too large", error_status_hint=413)
    return bytes(body)


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head = await _event(connection, reader)
    if not isinstance(head, h11.Request):
        return None  # ConnectionClosed
    body = await _read_body(connection, reader)
    target = urlsplit(head.target.decode("latin-1"))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode(), target.path, dict(parse_qsl(target.query)), headers, body)


def _response_bytes(connection: h11.Connection, response: Response, *, with_body: bool) -> bytes:
    headers = [*response.headers.items(), ("content-length", str(len(response.body)))]
    return b"".join(
        (
            connection.send(h11.Response(status_code=response.status, headers=headers)) or b"",
            connection.send(h11.Data(data=response.body if with_body else b"")) or b"",
            connection.send(h11.EndOfMessage()) or b"",
        )
    )


class Connection:
    """One client connection that carries requests one after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.CLIENT)
        self.served = 0

    @classmethod
    async def open(
        cls, address: str, port: int, tls: ssl.SSLContext | None = None, server_hostname: str | None = None
    ) -> Self:
        """Raises OSError when refused, ssl.SSLError (an OSError) when the handshake fails."""
        name = server_hostname if tls is not None else None
        return cls(*await asyncio.open_connection(address, port, ssl=tls, server_hostname=name))

    @property
    def reusable(self) -> bool:
        return self._protocol.our_state is h11.IDLE and not self._reader.at_eof()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS state (its session, whether it was resumed), or None over plain HTTP."""
        tls: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return tls

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """Raises OSError or h11.ProtocolError when the connection fails before the whole answer came."""
        protocol = self._protocol
        sent = [*headers.items(), ("content-length", str(len(body)))] if body else list(headers.items())
        self._writer.write(
            b"".join(
                (
                    protocol.send(h11.Request(method=method, target=target, headers=sent)) or b"",
                    protocol.send(h11.Data(data=body)) or b"",
                    protocol.send(h11.EndOfMessage()) or b"",
                )
            )
        )
        await self._writer.drain()
        response = await self._response()
        self.served += 1
        if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
            protocol.start_next_cycle()
        return response

    async def _response(self) -> Response:
        head = await _event(self._protocol, self._reader)
        while isinstance(head, h11.InformationalResponse):
            head = await _event(self._protocol, self._reader)
        if not isinstance(head, h11.Response):
            raise ConnectionResetError("closed before the answer")
        body = await _read_body(self._protocol, self._reader)
        return Response(
            head.status_code, body, {n.decode("latin-1"): v.decode("latin-1") for n, v in head.headers}
        )

    def close(self) -> None:
        self._writer.transport.abort()
