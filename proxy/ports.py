"""The proxy port: what Sluice may ask a running proxy, past what the proxy acknowledged."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from proxy import identities
from proxy.envoy_admin import EnvoyAdmin


class ProxyAdmin(Protocol):
    """Addresses are `host:port` of an admin interface, or `name@host:port` of one over mutual TLS whose
    certificate bears that name. Every method raises `errors.ProxyUnreachable`.
    """

    def config_dump(self, address: str) -> dict[str, Any]:
        """All that the proxy runs."""

    def started_with(self, address: str) -> dict[str, Any]:
        """The bootstrap in use, as a config dump, as far as it is compared: what only a restart changes."""

    def draining(self, address: str) -> bool:
        """Whether the proxy says that it is to be left."""

    def drain(self, address: str, on: bool) -> None:
        """Have the proxy say so or not. It goes on to serve who comes, and closes connections gently."""

    def sections(self, address: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """These sections of the config dump, such as `dynamic_active_clusters`."""

    def runtime(self, address: str) -> dict[str, Any]:
        """Every runtime key with its value in each layer."""

    def serials(self, address: str) -> frozenset[int]:
        """The serial numbers of the certificates that the proxy shows to clients and backends."""

    def splits(self, address: str) -> dict[str, dict[str, int]]:
        """Every route's arms with the weights that requests meet now, in basis points."""

    def weights(self, address: str, route: str) -> dict[str, int] | None:
        """One route's arms; None where the proxy does not know the route."""

    def chosen(self, address: str, route: str) -> frozenset[tuple[str, str]]:
        """What goes to upstreams beside one route's weights, by attribute and as copies: `Routing.told`."""

    def overrides(self, address: str) -> dict[str, str]:
        """Runtime keys that somebody set by hand, above all that is served."""


@cache
def from_settings() -> ProxyAdmin:
    """The real one; one client, and so one pool of connections, a process."""
    return EnvoyAdmin(site=Path(settings.VAR) / "pki" / identities.SITE, most_mb=settings.ADMIN_MOST_MB)
