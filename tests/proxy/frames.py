"""HTTP/2 by hand: a client that sends just the frames that a test is about, which no library would send."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from lab.drills.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    RST_STREAM,
    SETTINGS,
    asking,
    frame,
    opening,
)

CANCEL, ENHANCE_YOUR_CALM = 8, 11


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    body: bytes

    @property
    def error(self) -> int:
        """The code of a GOAWAY or RST_STREAM."""
        at = 4 if self.kind == GOAWAY else 0
        return int(struct.unpack(">I", self.body[at : at + 4])[0])


@dataclass
class Client:
    """One connection with prior knowledge of HTTP/2."""

    connection: socket.socket

    def send(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        self.connection.sendall(frame(kind, flags, stream, body))

    def ask(self, stream: int, host: str, path: str = "/", *, ends: bool = True, method: str = "GET") -> None:
        """A request of headers only; without `ends` its body is still to come."""
        flags = END_HEADERS | (END_STREAM if ends else 0)
        self.connection.sendall(asking(stream, host, path, flags=flags, method=method))

    def reset(self, stream: int) -> None:
        self.send(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))

    def frames(self, seconds: float) -> Iterator[Frame]:
        """What comes, until the connection ends or the time is up."""
        end = time.monotonic() + seconds
        with contextlib.suppress(OSError, EOFError):
            while time.monotonic() < end:
                self.connection.settimeout(max(end - time.monotonic(), 0.01))
                head = self._exactly(9)
                body = self._exactly(int.from_bytes(head[:3], "big"))
                yield Frame(head[3], head[4], int.from_bytes(head[5:9], "big"), body)

    def wait_for(self, kind: int, seconds: float) -> Frame | None:
        """The first frame of this kind within so many seconds."""
        return next((frame for frame in self.frames(seconds) if frame.kind == kind), None)

    def _exactly(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            chunk = self.connection.recv(count - len(read))
            if not chunk:
                raise EOFError
            read += chunk
        return read


@contextlib.contextmanager
def http2(port: int, *, window: int | None = None) -> Iterator[Client]:
    """A connection to a plain port; `window` is what each answer may send before it is asked for more."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        client = Client(connection)
        connection.sendall(opening(window))
        assert client.wait_for(SETTINGS, 3) is not None
        client.send(SETTINGS, ACK, 0, b"")
        yield client
