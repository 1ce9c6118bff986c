"""One signed POST. The address that was checked is the one that is connected to (a second look-up could
answer otherwise), redirects are not followed, and nothing is repeated.
"""

import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from outbound import addresses, signing
from outbound.addresses import Resolve, TooSlow
from outbound.errors import NoSecret, NotAllowed, Unanswered, Unreachable
from outbound.secrets import Secrets

# All of it, from the look-up of the host to the last byte, in seconds.
TIMEOUT_SECONDS = 3.0
# What is left for the answer itself where a look-up took nearly all of it.
SHORTEST_SECONDS = 0.1
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered: any status, and the beginning of the body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Outbound:
    """`hosts` are those that may be private or without TLS: `name` (every port) or `name:port`."""

    secrets: Secrets
    hosts: frozenset[str]
    resolve: Resolve = addresses.resolved
    timeout: float = TIMEOUT_SECONDS

    def refused(self, url: str, secret: str) -> tuple[str, str] | None:
        """What can be told to be wrong without a look-up: `url` or `secret`, and why."""
        try:
            addresses.listed(url, self.hosts)
        except NotAllowed as error:
            return "url", str(error)
        try:
            self.secrets.read(secret)
        except NoSecret as error:
            return "secret", str(error)
        return None

    def post(
        self,
        url: str,
        secret: str,
        content: Mapping[str, Any],
        *,
        event: str,
        delivery: int | str,
        timestamp: int,
        more: Mapping[str, str] | None = None,
    ) -> Reply:
        """The answer to `content` as JSON; `more` are further headers. Raises NotSent and Unanswered."""
        key = self.secrets.read(secret)
        body = signing.body_of(content)
        signed = signing.headers(secret=key, timestamp=timestamp, body=body, event=event, delivery=delivery)
        return self.send(url, body, {**signed, **(more or {})})

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The answer to a body that is signed already, or needs no signature. Raises NotSent, Unanswered."""
        return _exchange(self._connected(url), url, body, headers)

    def allowing(self, url: str) -> "Outbound":
        """The same with the host of `url` listed: for addresses that the installation itself declares."""
        host, _ = addresses.where(url)
        return replace(self, hosts=self.hosts | {host})

    def _connected(self, url: str) -> "_Pinned":
        until = time.monotonic() + self.timeout
        try:
            address = addresses.chosen(url, self.hosts, self.resolve, self.timeout)
        except TooSlow as error:
            raise Unreachable(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"no answer: {type(error).__name__}") from error
        connection = _Pinned(url, address, max(until - time.monotonic(), SHORTEST_SECONDS))
        try:
            connection.connect()
        except OSError as error:
            connection.end()
            raise Unreachable(f"no answer: {type(error).__name__}") from error
        return connection


def from_settings() -> Outbound:
    """Requests as the settings allow them."""
    secrets = Secrets(environment=os.environ, folder=settings.SECRETS)
    return Outbound(secrets=secrets, hosts=frozenset(name.lower() for name in settings.HOOK_HOSTS))


class _Pinned(HTTPConnection):
    """A connection to the address that was checked, with the certificate of the name that was asked for.

    A socket's timeout counts from byte to byte, so that who sends one a second would hold a thread for ever:
    the alarm cuts the connection when all of the time is over. `end` it, whatever happened.
    """

    def __init__(self, url: str, address: str, timeout: float) -> None:
        host, port = addresses.where(url)
        super().__init__(host, port, timeout=timeout)
        self._address = address
        self._tls = ssl.create_default_context() if urlsplit(url).scheme == "https" else None
        # `sock` is taken away as soon as an answer that ends with the connection has begun.
        self._held: socket.socket | None = None
        self._alarm = threading.Timer(timeout, self._cut)
        self._alarm.daemon = True

    def connect(self) -> None:
        self._alarm.start()
        self._held = self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._tls is not None:
            self._held = self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)

    def end(self) -> None:
        self._alarm.cancel()
        self.close()

    def _cut(self) -> None:
        # None until it is connected, and gone already where the answer came at the last moment.
        if self._held is not None:
            try:
                self._held.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def _exchange(connection: _Pinned, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(MOST_BYTES))
    except (OSError, HTTPException) as error:
        raise Unanswered(f"no answer: {type(error).__name__}") from error
    finally:
        connection.end()
