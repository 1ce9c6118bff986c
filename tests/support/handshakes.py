"""TLS clients: handshakes that are looked at, connections that are held, tickets that are shown again."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography import x509

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with its body read as JSON where it is that."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Connection:
    """One TLS connection that is kept, and what its handshake came to."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        *,
        name: str,
        session: ssl.SSLSession | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        raw = socket.create_connection((host, port), SECONDS)
        self.socket = context.wrap_socket(raw, server_hostname=name, session=session)
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def certificate(self) -> x509.Certificate:
        """The server's."""
        shown = self.socket.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown)

    def ask(
        self, path: str = "/", headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> Answer:
        """One request without a body on the connection, which stays open."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.name}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        body = response.read()
        told = {name.lower(): value for name, value in response.getheaders()}
        is_json = told.get("content-type") == "application/json"
        return Answer(response.status, told, json.loads(body) if is_json else body)


def trusting(authority: Path, *, shows: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A client's context that trusts one authority and shows a certificate (with its key) if it is given one."""
    context = ssl.create_default_context(cafile=str(authority))
    if shows is not None:
        context.load_cert_chain(*map(str, shows))
    return context


def refused(
    port: int,
    context: ssl.SSLContext,
    *,
    name: str,
    session: ssl.SSLSession | None = None,
    host: str = "127.0.0.1",
) -> bool:
    """Whether a client is shut out by its certificate, or for having none. In TLS 1.3 it learns so after its own
    part of the handshake, with the first bytes that it reads.
    """
    try:
        with Connection(port, context, name=name, session=session, host=host) as connection:
            connection.ask()
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def ticket(port: int, context: ssl.SSLContext, *, name: str) -> ssl.SSLSession:
    """A session that the server gave; in TLS 1.3 it comes behind the handshake, with the first answer."""
    with Connection(port, context, name=name) as connection:
        connection.ask()
        session = connection.socket.session
    assert session is not None
    return session


def resumes(port: int, context: ssl.SSLContext, session: ssl.SSLSession, *, name: str) -> bool:
    """Whether the server takes the session again."""
    with Connection(port, context, name=name, session=session) as connection:
        connection.ask()
        return bool(connection.socket.session_reused)
