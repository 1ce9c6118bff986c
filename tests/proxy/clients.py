"""A client that behaves well while others do not, connections that are held, and a backend that answers at length."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests

from lab.http import Request, Response
from tests.support.serving import serving

BIG = 2 << 20


@contextlib.contextmanager
def backend(seen: list[Request] | None = None) -> Iterator[int]:
    """A backend on the port that it yields: `/big` is 2 MiB, `/slow` takes half a second, all else is `ok`. What it
    is asked goes into `seen`.
    """

    async def answer(request: Request) -> Response:
        if seen is not None:
            seen.append(request)
        if request.path == "/slow":
            await asyncio.sleep(0.5)
        return Response(200, b"x" * BIG if request.path == "/big" else b"ok")

    with serving(answer) as port:
        yield port


@dataclass
class Good:
    """One client that asks again and again on a thread of its own, and keeps what it was answered."""

    url: str
    host: str
    codes: list[int] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Good":
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self._over.wait(0.02):
                self.codes.append(session.get(self.url, headers={"Host": self.host}, timeout=5).status_code)


def holding(port: int, count: int, host: str, *, source: str = "127.0.0.1") -> list[bool]:
    """Of so many connections from an address, open at once, whether each is answered."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(port, source)) for _ in range(count)]
        return [answers(client, host) for client in clients]


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))


def answers(client: socket.socket, host: str, *, before: bytes = b"") -> bool:
    try:
        client.sendall(before + f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return client.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def named(address: str, client_port: int, port: int) -> bytes:
    """How a layer-4 balancer begins the connection of a client of this address."""
    return f"PROXY TCP4 {address} 127.0.0.1 {client_port} {port}\r\n".encode()
