"""How an Envoy's admin interface is asked: in plaintext, or over mutual TLS from another machine."""

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from proxy.domain.errors import ProxyUnreachable
from proxy.domain.translate import proof


class Sessions:
    """One pool of connections for plaintext, and one for each certificate's name.

    `site` is the folder of Sluice's own certificate, which the ADS servers keep. It is only read here: a
    worker on another machine must not make an authority of its own, which no proxy would trust.
    """

    def __init__(self, site: Path | None) -> None:
        self._site = site
        self._plain = _session()
        self._secure: dict[str, requests.Session] = {}

    def to(self, address: str) -> tuple[requests.Session, str]:
        """The session for an address of `ports.ProxyAdmin`, and the beginning of its URLs.

        Raises ProxyUnreachable where Sluice's own certificate is not here.
        """
        name, _, where = address.rpartition("@")
        if not name:
            return self._plain, f"http://{where}"
        files = self._files(name)
        if name not in self._secure:
            self._secure[name] = _showing(name, *files)
        return self._secure[name], f"https://{where}"

    def _files(self, name: str) -> tuple[str, str, str]:
        """The authority, the certificate and the key."""
        if self._site is None:
            raise ProxyUnreachable(f"{name} asks for a certificate, and there is no folder to take it from")
        here = str(self._site)
        files = (f"{here}/{proof.AUTHORITY}", f"{here}/{proof.CERTIFICATE}", f"{here}/{proof.KEY}")
        missing = [file for file in files if not Path(file).is_file()]
        if missing:
            raise ProxyUnreachable(
                f"{name} asks for Sluice's certificate, and {missing[0]} is not here: ADS servers make it, "
                "so share or copy their folder to this machine"
            )
        return files


class _Named(HTTPAdapter):
    """Takes a server for the one of this name, whatever address it has."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, server_hostname=self._name)


def _showing(name: str, authority: str, certificate: str, key: str) -> requests.Session:
    """Who renews the files need not say so: each new connection reads them."""
    session = _session()
    session.verify, session.cert = authority, (certificate, key)
    session.mount("https://", _Named(name))
    return session


def _session() -> requests.Session:
    """No proxy, login or authority of the environment is used."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Accept-Encoding"] = "identity"  # a few packed bytes may unpack to any number
    return session
