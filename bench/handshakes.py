"""What a TLS handshake costs Envoy's processor, fresh and resumed, by certificate and version.

Per core = connections over the processor time that Envoy's worker spent on them: the client costs as much as
the server and would be the limit, were the clock on the wall read.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.utils import timezone

from bench import nginx
from bench.envoy import Running, envoy
from bench.figures import Figure, figure
from bench.parts import cpu_seconds
from bench.site import HOST, Files, certify, ecdsa, rsa2048
from bench.sizes import Size

BENCH = "handshakes"
CERTIFICATES = {"ECDSA P-256": ecdsa, "RSA-2048": rsa2048}
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
TIMEOUT = 5.0
WORKER = "wrk:"
"""Envoy's threads that serve clients are called so."""
Connect = Callable[[], None]


class NotResumed(Exception):
    """Connections were not of the kind that was to be measured."""


@dataclass(frozen=True, slots=True)
class Client:
    """Opens TLS connections to one Envoy in one version."""

    running: Running
    context: ssl.SSLContext

    def fresh(self) -> None:
        """One connection with a full handshake."""
        self._connect(None).close()

    def ticket(self) -> ssl.SSLSession:
        """What to resume with. With TLS 1.3 it comes behind the handshake, so that something must be read."""
        connection = self._connect(None)
        connection.sendall(f"GET /r0/ HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
        while connection.recv(65536):
            pass
        session = connection.session
        connection.close()
        if session is None:
            raise NotResumed("no session ticket came")
        return session

    def resumed(self, session: ssl.SSLSession) -> None:
        """One connection that resumes it."""
        connection = self._connect(session)
        resumed = connection.session_reused
        connection.close()
        if not resumed:
            raise NotResumed("the proxy made a full handshake")

    def _connect(self, session: ssl.SSLSession | None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.running.https_port), TIMEOUT)
        return self.context.wrap_socket(plain, server_hostname=HOST, session=session)


def run(size: Size, folder: Path) -> list[Figure]:
    """In turn: each kind of connection, then all again."""
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(nginx.backend(folder / "backend"))
        connections: dict[str, tuple[Running, Connect]] = {}
        for label, make in CERTIFICATES.items():
            files = certify(folder / f"site-{make.__name__}", make(), now=timezone.now())
            running = stack.enter_context(envoy(folder / f"envoy-{make.__name__}", files, backend))
            connections |= _of(running, label, files)
            connections["plain TCP, no handshake"] = running, _plain(running)
        measured: dict[str, list[float]] = {name: [] for name in connections}
        for _ in range(size.repeats):
            for name, (running, connect) in connections.items():
                measured[name].append(_per_core(running, connect, size.handshakes))
    return [figure(BENCH, name, "/s and core", found) for name, found in measured.items()]


def _of(running: Running, label: str, files: Files) -> dict[str, tuple[Running, Connect]]:
    """Fresh and resumed connections with this certificate in each version."""
    found: dict[str, tuple[Running, Connect]] = {}
    for spoken, version in VERSIONS.items():
        context = ssl.create_default_context(cafile=str(files.certificate))
        context.minimum_version = context.maximum_version = version
        client = Client(running, context)
        session = client.ticket()
        found[f"{label}, {spoken}, fresh"] = running, client.fresh
        found[f"{label}, {spoken}, resumed"] = running, partial(client.resumed, session)
    return found


def _plain(running: Running) -> Connect:
    def connect() -> None:
        """Until the proxy has closed its end: else it would be measured before it did its work."""
        with socket.create_connection(("127.0.0.1", running.http_port), TIMEOUT) as connection:
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    return connect


def _per_core(running: Running, connect: Connect, count: int) -> float:
    """Connections that one core would serve in a second."""
    before = cpu_seconds(running.pid, WORKER)
    for _ in range(count):
        connect()
    spent = cpu_seconds(running.pid, WORKER) - before
    return count / spent
