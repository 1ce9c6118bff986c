"""Where an ADS server listens, and where proxies find it."""

from ipaddress import ip_address

Address = tuple[str, int]
LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  # what a server binds to is not what a client connects to


class NotAnAddress(ValueError):
    """The text is no `host:port`."""


def parse(text: str) -> list[Address]:
    """`host:port`, several by commas; what binds everywhere is reached on loopback. Raises NotAnAddress."""
    return [_one(each.strip()) for each in text.split(",")]


def is_loopback(bind: str) -> bool:
    """Whether nobody on another machine reaches a server that listens there."""
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _one(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise NotAnAddress(f"{text!r} is not an address: write host:port")
    host = host.strip("[]")
    return (LOOPBACK if host in EVERYWHERE else host, int(port))
