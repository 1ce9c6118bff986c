"""The proxy port on a real Envoy: its admin interface over HTTP."""

import json
import ssl
import time
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from proxy.domain import running, showing
from proxy.domain.errors import ProxyUnreachable
from proxy.envoy_session import Sessions

MOST_MB = 64
"""Beyond, an answer is not read: a worker holds several times its size while it takes it apart."""
LONGEST_SECONDS = 30.0
"""So long a whole answer may take, however steadily it drips."""
_CHUNK = 1 << 16


class EnvoyAdmin:
    """Reads an Envoy's admin interface; `timeout` in seconds bounds each wait for it, `most_mb` each answer.

    It is asked itself: no redirection is followed, and no proxy or login of the environment is used. `site`
    is the folder of Sluice's own certificate, for those who ask for it.
    """

    def __init__(
        self,
        timeout: float = 3.0,
        *,
        site: Path | None = None,
        most_mb: int = MOST_MB,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        self._timeout, self._most_mb, self._longest = timeout, most_mb, longest
        self._sessions = Sessions(site)

    def config_dump(self, address: str) -> dict[str, Any]:
        """The whole dump as Envoy gives it, endpoints included, secrets redacted by Envoy itself."""
        return self._get(address, "/config_dump?include_eds")

    def started_with(self, address: str) -> dict[str, Any]:
        """Of the bootstrap in use the admin port, the overload manager and the ADS servers."""
        parts = "bootstrap.admin,bootstrap.overload_manager,bootstrap.static_resources"
        return self._get(address, f"/config_dump?mask={parts}")

    def draining(self, address: str) -> bool:
        """Whether `/ready` fails, as it does from `healthcheck/fail` on."""
        return bool(self._get(address, "/server_info").get("state") == "DRAINING")

    def drain(self, address: str, on: bool) -> None:
        """Fails the health checks or passes them. While they fail, every answer asks its client to connect
        anew (`Connection: close`, GOAWAY). Unlike `drain_listeners` this can be undone.
        """
        self._post(address, f"/healthcheck/{'fail' if on else 'ok'}")

    def sections(self, address: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """These sections of the config dump; endpoints, too, where they are among them."""
        return {name: self._get(address, f"/config_dump?include_eds&resource={name}") for name in names}

    def runtime(self, address: str) -> dict[str, Any]:
        """Every runtime key with its value in each layer."""
        return self._get(address, "/runtime")

    def serials(self, address: str) -> frozenset[int]:
        """The serial numbers of the certificates that it shows."""
        return showing.serials(self._get(address, "/certs"))

    def splits(self, address: str) -> dict[str, dict[str, int]]:
        """Every route's arms with the weights that requests meet now."""
        tables = self._get(address, "/config_dump?resource=dynamic_route_configs")
        return running.splits(tables, self._get(address, "/runtime"))

    def weights(self, address: str, route: str) -> dict[str, int] | None:
        """One route's arms; None where the proxy does not know the route."""
        return self.splits(address).get(route)

    def chosen(self, address: str, route: str) -> frozenset[tuple[str, str]]:
        """What goes to upstreams beside its weights."""
        return running.chosen(self._get(address, "/config_dump?resource=dynamic_route_configs"), route)

    def overrides(self, address: str) -> dict[str, str]:
        """What somebody set by hand in the admin layer, above all that is served."""
        return running.overrides(self._get(address, "/runtime"))

    def _post(self, address: str, path: str) -> None:
        self._ask("POST", address, path)

    def _get(self, address: str, path: str) -> dict[str, Any]:
        try:
            found = json.loads(self._ask("GET", address, path))
        except (ValueError, RecursionError) as error:
            raise ProxyUnreachable(f"{address} answers {path} with something else than JSON") from error
        return found if isinstance(found, dict) else {}

    def _ask(self, method: str, address: str, path: str) -> bytes:
        session, url = self._sessions.to(address)
        try:
            with session.request(
                method, f"{url}{path}", timeout=self._timeout, allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code != HTTPStatus.OK:
                    raise ProxyUnreachable(f"{address} answers {path} with HTTP {answer.status_code}")
                return self._read(answer, f"{address} answers {path}")
        except (OSError, ValueError) as error:  # a requests.RequestException is an OSError
            raise ProxyUnreachable(f"{address} does not answer: {_said(error)}") from error

    def _read(self, answer: requests.Response, what: str) -> bytes:
        """Within the bounds, and the connection is of no more use where it is not."""
        found, ends = bytearray(), time.monotonic() + self._longest
        for chunk in answer.iter_content(_CHUNK):
            found += chunk
            if len(found) > self._most_mb << 20:
                raise ProxyUnreachable(
                    f"{what} with more than {self._most_mb} MB: raise SLUICE_ADMIN_MOST_MB if that is meant"
                )
            if time.monotonic() > ends:
                raise ProxyUnreachable(f"{what} for longer than {self._longest:g} s")
        return bytes(found)


def _said(error: Exception) -> str:
    """The kind of error; of TLS also why, since that may be a certificate."""
    kind = type(error).__name__
    reason = _cause(error)
    return f"{kind}, {reason}" if isinstance(reason, ssl.SSLError) else kind


def _cause(error: BaseException) -> BaseException:
    """The first error of those that led to this one."""
    while error.__context__ is not None:
        error = error.__context__
    return error
