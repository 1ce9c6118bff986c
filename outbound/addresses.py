"""Which addresses a request may go to.

What is asked is written by an operator, but the request leaves from the service's own network: so that it
reads no metadata service and no neighbour's admin page, it goes to public addresses over TLS only, besides
the hosts that the installation lists.
"""

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from outbound.errors import NotAllowed

HTTP_PORTS = {"http": 80, "https": 443}
# IPv6 that carries an IPv4 address to where a translator of the network takes it.
TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")]
Resolve = Callable[[str, int], Sequence[str]]
# A look-up has no time limit of its own and cannot be broken off: what hangs is left behind, so many at most.
LOOK_UPS = threading.BoundedSemaphore(64)


class TooSlow(OSError):
    """A name server did not answer in time."""


def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as long as its name servers take. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def within(seconds: float, resolve: Resolve, host: str, port: int) -> Sequence[str]:
    """What `resolve` finds in so many seconds, on a thread that is left behind when they are over.

    Raises TooSlow then, and where as many as may hang do so already; and what `resolve` raises.
    """
    if not LOOK_UPS.acquire(blocking=False):
        raise TooSlow("too many look-ups hang")
    found: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(resolve(host, port))
        except (OSError, UnicodeError) as error:
            found.put(error)  # raised again by who waits for it
        finally:
            LOOK_UPS.release()

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise TooSlow(f"no address of {host} within {seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def where(url: str) -> tuple[str, int]:
    """Host and port of an address."""
    parts = urlsplit(url)
    return (parts.hostname or "").rstrip("."), parts.port or HTTP_PORTS[parts.scheme]


def listed(url: str, hosts: frozenset[str]) -> bool:
    """Whether the host is a listed one. Raises NotAllowed for one that can never be allowed."""
    host, port = where(url)
    if {host, f"{host}:{port}"} & hosts:
        return True
    if urlsplit(url).scheme != "https":
        raise NotAllowed(f"{host} is no listed host, so it takes https:// (see SLUICE_HOOK_HOSTS)")
    if _is_address(host) and not _is_public(host):
        raise NotAllowed(_private(host))
    return False


def chosen(url: str, hosts: frozenset[str], resolve: Resolve, seconds: float) -> str:
    """Where to connect: checked here and connected to, not looked up again. Raises NotAllowed and OSError."""
    known = listed(url, hosts)
    host, port = where(url)
    found = within(seconds, resolve, host, port)
    if not found:
        raise NotAllowed(f"{host} has no address")
    if not known and not all(_is_public(address) for address in found):
        raise NotAllowed(_private(host))
    return found[0]


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
