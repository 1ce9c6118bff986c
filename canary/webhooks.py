"""The real hooks: one signed POST over HTTP, to addresses that a rollout's author may have requests sent to.

A plan is written by an operator, but the request leaves from the service's own network: so that a hook
reads no metadata service and no neighbour's admin page, it goes to public addresses over TLS only, besides
the hosts that the installation lists. The address that was checked is the one that is connected to (a second
look-up could answer otherwise), and redirects are not followed.
"""

import ipaddress
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from canary.domain import hooks
from canary.domain.hooks import Answer, Hook

# All of it, from connecting to the last byte, in seconds.
TIMEOUT_SECONDS = 3.0
MOST_BYTES = 64 * 1024
SHORTEST_SECRET = 16
HTTP_PORTS = {"http": 80, "https": 443}
# IPv6 that carries an IPv4 address to where a translator of the network takes it.
TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")]
Resolve = Callable[[str, int], Sequence[str]]


class NotAllowed(Exception):
    """The address is none that a hook may have; nothing was sent."""


class NoSecret(Exception):
    """There is no such secret here, or none that is long enough."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secrets by name: `SLUICE_HOOK_SECRET_<NAME>` of the environment, else the file `hooks/<name>`."""

    environment: Mapping[str, str]
    folder: Path

    def read(self, name: str) -> bytes:
        """Raises NoSecret."""
        variable = f"SLUICE_HOOK_SECRET_{name.upper().replace('-', '_')}"
        place = self.folder / "hooks" / name
        found = self.environment.get(variable, "").strip()
        try:
            found = found or place.read_text().strip()
        except (OSError, ValueError):
            raise NoSecret(
                f"there is no secret {name} here: set {variable}, or write hooks/{name} in SLUICE_SECRETS"
            ) from None
        if len(found) < SHORTEST_SECRET:
            raise NoSecret(f"the secret {name} has fewer than {SHORTEST_SECRET} characters")
        return found.encode()


def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


@dataclass(frozen=True, slots=True)
class WebHooks:
    """`hosts` are those that may be private or without TLS: `name` (every port) or `name:port`."""

    secrets: Secrets
    hosts: frozenset[str]
    resolve: Resolve = resolved
    timeout: float = TIMEOUT_SECONDS

    def refused(self, hook: Hook) -> tuple[str, str] | None:
        """What of the hook can be told to be wrong without a look-up."""
        try:
            self._listed(hook)
        except NotAllowed as error:
            return "url", str(error)
        try:
            self.secrets.read(hook.secret)
        except NoSecret as error:
            return "secret", str(error)
        return None

    def ask(
        self, hook: Hook, question: dict[str, Any], *, event: str, delivery: int, timestamp: int
    ) -> Answer:
        """One POST. See the port."""
        try:
            secret = self.secrets.read(hook.secret)
            address = self._address(hook)
            body = hooks.body_of(question)
            sent = hooks.headers(
                secret=secret, timestamp=timestamp, body=body, event=event, delivery=delivery
            )
            return hooks.answer_of(*_post(hook.url, address, body, sent, self.timeout))
        except (NotAllowed, NoSecret) as error:
            return Answer.none(str(error))
        except (OSError, HTTPException, UnicodeError) as error:
            return Answer.none(f"no answer: {type(error).__name__}")

    def _listed(self, hook: Hook) -> bool:
        """Whether the host is a listed one. Raises NotAllowed for one that can never be allowed."""
        host, port = _where(hook.url)
        if {host, f"{host}:{port}"} & self.hosts:
            return True
        if urlsplit(hook.url).scheme != "https":
            raise NotAllowed(f"{host} is no listed host, so it takes https:// (see SLUICE_HOOK_HOSTS)")
        if _is_address(host) and not _is_public(host):
            raise NotAllowed(_private(host))
        return False

    def _address(self, hook: Hook) -> str:
        """Where to connect: checked here and connected to, not looked up again."""
        listed = self._listed(hook)
        host, port = _where(hook.url)
        found = self.resolve(host, port)
        if not found:
            raise NotAllowed(f"{host} has no address")
        if not listed and not all(_is_public(address) for address in found):
            raise NotAllowed(_private(host))
        return found[0]


def from_settings() -> WebHooks:
    """The hooks as the settings allow them."""
    secrets = Secrets(environment=os.environ, folder=settings.SECRETS)
    return WebHooks(secrets=secrets, hosts=frozenset(name.lower() for name in settings.HOOK_HOSTS))


def _where(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "").rstrip("."), parts.port or HTTP_PORTS[parts.scheme]


def _private(host: str) -> str:
    return f"{host} is no public address: name it in SLUICE_HOOK_HOSTS if hooks may reach it"


def _is_address(host: str) -> bool:
    # Also what only a resolver takes for one: 2130706433, 0x7f.1.
    return bool(re.fullmatch(r"[0-9.]+|0x[0-9a-f.x]+|.*:.*", host))


def _is_public(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    if any(mapped in network for network in TRANSLATED):
        return False
    return mapped.is_global and not mapped.is_multicast


class _Pinned(HTTPConnection):
    """A connection to the address that was checked, with the certificate of the name that was asked for."""

    def __init__(self, url: str, address: str, timeout: float) -> None:
        host, port = _where(url)
        super().__init__(host, port, timeout=timeout)
        self._address = address
        self._tls = ssl.create_default_context() if urlsplit(url).scheme == "https" else None

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = plain
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _post(
    url: str, address: str, body: bytes, headers: Mapping[str, str], timeout: float
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises OSError and HTTPException.

    A socket's timeout counts from byte to byte, so that who sends one a second would hold a thread for ever:
    the alarm cuts the connection when all of the time is over.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _Pinned(url, address, timeout)
    alarm = threading.Timer(timeout, _cut, [connection])
    alarm.daemon = True
    alarm.start()
    try:
        connection.request("POST", target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_BYTES)
    finally:
        alarm.cancel()
        connection.close()


def _cut(connection: HTTPConnection) -> None:
    # None until it is connected, and gone already where the answer came at the last moment.
    held = connection.sock
    if held is not None:
        try:
            held.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
