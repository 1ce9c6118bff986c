"""The proxy port in memory, proven by the same contract suite as the real one."""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.domain.errors import ProxyUnreachable

Chosen = Mapping[str, frozenset[tuple[str, str]]]
"""Arms by attribute, by route."""


class InMemoryAdmin:
    """Proxies that run what a test says; an address that was not told of does not answer."""

    def __init__(self) -> None:
        self._splits: dict[str, dict[str, dict[str, int]]] = {}
        self._overrides: dict[str, dict[str, str]] = {}
        self._chosen: dict[str, Chosen] = {}
        self._draining: set[str] = set()

    def runs(
        self,
        address: str,
        splits: Mapping[str, Mapping[str, int]],
        overrides: Mapping[str, str] | None = None,
        chosen: Chosen | None = None,
    ) -> None:
        """From now on the proxy runs these weights, runtime keys set by hand, arms by attribute."""
        self._chosen[address] = chosen or {}
        self._splits[address] = {route: dict(arms) for route, arms in splits.items()}
        self._overrides[address] = dict(overrides or {})

    def stops(self, address: str) -> None:
        """The proxy does not answer any more."""
        self._splits.pop(address, None)

    def config_dump(self, address: str) -> dict[str, Any]:
        clusters = {route: list(arms) for route, arms in self.splits(address).items()}
        return {"configs": [{"routes": clusters}]}

    def started_with(self, address: str) -> dict[str, Any]:
        self.splits(address)
        return {"configs": []}

    def draining(self, address: str) -> bool:
        self.splits(address)
        return address in self._draining

    def drain(self, address: str, on: bool) -> None:
        self.splits(address)
        (self._draining.add if on else self._draining.discard)(address)

    def sections(self, address: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """None: what is not shown is no drift."""
        self.splits(address)
        return {}

    def runtime(self, address: str) -> dict[str, Any]:
        self.splits(address)
        return {}

    def serials(self, address: str) -> frozenset[int]:
        self.splits(address)
        return frozenset()

    def splits(self, address: str) -> dict[str, dict[str, int]]:
        if address not in self._splits:
            raise ProxyUnreachable(f"{address} does not answer")
        return self._splits[address]

    def weights(self, address: str, route: str) -> dict[str, int] | None:
        return self.splits(address).get(route)

    def chosen(self, address: str, route: str) -> frozenset[tuple[str, str]]:
        self.splits(address)
        return self._chosen[address].get(route, frozenset())

    def overrides(self, address: str) -> dict[str, str]:
        self.splits(address)
        return self._overrides[address]
