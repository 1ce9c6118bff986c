"""The proxy port on a real Envoy: its admin interface over HTTP."""

from typing import Any

import requests

from proxy.domain import running
from proxy.domain.errors import ProxyUnreachable


class EnvoyAdmin:
    """Reads an Envoy's admin interface; `timeout` in seconds bounds each request."""

    def __init__(self, timeout: float = 3.0) -> None:
        self._timeout = timeout
        self._http = requests.Session()

    def config_dump(self, address: str) -> dict[str, Any]:
        """The whole dump as Envoy gives it, endpoints included, secrets redacted by Envoy itself."""
        return self._get(address, "/config_dump?include_eds")

    def started_with(self, address: str) -> dict[str, Any]:
        """The overload manager of the bootstrap in use, as a config dump."""
        return self._get(address, "/config_dump?mask=bootstrap.overload_manager")

    def splits(self, address: str) -> dict[str, dict[str, int]]:
        """Every route's arms with the weights that requests meet now."""
        tables = self._get(address, "/config_dump?resource=dynamic_route_configs")
        return running.splits(tables, self._get(address, "/runtime"))

    def weights(self, address: str, route: str) -> dict[str, int] | None:
        """One route's arms; None where the proxy does not know the route."""
        return self.splits(address).get(route)

    def overrides(self, address: str) -> dict[str, str]:
        """What somebody set by hand in the admin layer, above all that is served."""
        return running.overrides(self._get(address, "/runtime"))

    def _get(self, address: str, path: str) -> dict[str, Any]:
        try:
            answer = self._http.get(f"http://{address}{path}", timeout=self._timeout)
            answer.raise_for_status()
            found = answer.json()
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise ProxyUnreachable(f"{address} does not answer: {type(error).__name__}") from error
        return found if isinstance(found, dict) else {}
