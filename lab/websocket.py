"""The server's side of a WebSocket (RFC 6455), as far as Socket Mode needs it: text, pings, closing.

A library would do; Slack's own client brings its half without one, and this half is less than a dependency.
"""

import asyncio
import base64
import hashlib
import struct
from collections.abc import Awaitable, Callable
from typing import Self

# RFC 6455, 1.3: what is hashed together with the client's key.
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
HEAD_LIMIT = 16 * 1024
MESSAGE_LIMIT = 1 << 20


class NoWebSocket(Exception):
    """What the client sent is none, or more of one than is understood here."""


class WebSocket:
    """One open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def accept(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Self:
        """Answer a client's handshake. Raises NoWebSocket, OSError, asyncio.IncompleteReadError."""
        head = (await reader.readuntil(b"\r\n\r\n"))[:HEAD_LIMIT].decode("latin-1")
        fields = dict(line.lower().split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)
        if fields.get("upgrade", "").strip() != "websocket":
            raise NoWebSocket("no upgrade to websocket is asked for")
        # The key is base64: it must not be lowered.
        key = next(
            line.split(":", 1)[1].strip()
            for line in head.split("\r\n")
            if line.lower().startswith("sec-websocket-key")
        )
        accepted = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()  # noqa: S324 (RFC 6455)
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accepted}", "", ""]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        return cls(reader, writer)

    async def send(self, text: str) -> None:
        """One text message. Raises OSError."""
        await self._send(TEXT, text.encode())

    async def receive(self) -> str | None:
        """The next text message; None once the client has closed. Answers pings meanwhile.

        Raises NoWebSocket, OSError, asyncio.IncompleteReadError.
        """
        while True:
            kind, data = await self._frame()
            if kind == TEXT:
                return data.decode()
            if kind == CLOSE:
                await self._send(CLOSE, data[:2])
                return None
            if kind == PING:
                await self._send(PONG, data)

    def cut(self) -> None:
        """End the connection without a word, as a network does."""
        self._writer.transport.abort()

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        if not first & 0x80 or not second & 0x80:
            raise NoWebSocket("a part of a message, or one that is not masked")
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        if size > MESSAGE_LIMIT:
            raise NoWebSocket("a message of more than a megabyte")
        mask = await self._reader.readexactly(4)
        data = await self._reader.readexactly(size)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))

    async def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 127, size)
        self._writer.write(head + data)
        await self._writer.drain()


async def listen(port: int, serve: Callable[[WebSocket], Awaitable[None]]) -> asyncio.Server:
    """Serve WebSockets on a loopback port; `serve` has one connection until it returns. Raises OSError."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(await WebSocket.accept(reader, writer))
        except (NoWebSocket, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, StopIteration):
            pass  # The client left, or spoke something else: only this connection ends.
        finally:
            writer.transport.abort()

    return await asyncio.start_server(connection, "127.0.0.1", port)
