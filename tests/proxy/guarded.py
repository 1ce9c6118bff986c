"""A real tier before a backend that keeps what reaches it: who is let through, and what is told of him."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from django.utils import timezone

from lab.http import Request
from proxy import pki
from tests.proxy.clients import backend
from tests.proxy.world import World
from tests.support.tokens import Issuer

HOST = "api.test"
IDP = {
    "name": "idp",
    "issuer": "https://idp.test",
    "audiences": ["shop"],
    "jwks": {"file": "idp.json"},
    "claim_to_headers": [{"claim": "sub", "header": "x-user"}, {"claim": ["org", "name"], "header": "x-org"}],
}


@dataclass
class Api:
    """The tier, and the requests that the backend got."""

    world: World
    port: int
    secrets: Path
    seen: list[Request] = field(default_factory=list)
    issuer: Issuer = field(default_factory=Issuer)

    def serve(self, *routes: dict[str, Any], **tier: Any) -> None:
        """These routes, with a host and an upstream where they name none; on fresh connections."""
        self.world.wait_acked(self.declare(*routes, **tier))
        self.world.reconnect()

    def declare(self, *routes: dict[str, Any], **tier: Any) -> int:
        """The same, and nobody waits for the proxies; returns the generation."""
        (self.secrets / "idp.json").write_text(self.issuer.jwks)
        full = [
            {"name": f"r{i}", "hosts": [HOST], "upstream": "api", **route} for i, route in enumerate(routes)
        ]
        upstreams = [{"name": "api", "endpoints": [{"port": self.port}]}, *tier.pop("upstreams", [])]
        change = {"upstreams": upstreams, "routes": full, "objectives": [], **tier}
        return self.world.apply(change)

    def get(self, path: str = "/", **more: Any) -> requests.Response:
        return self.world.get(HOST, path, **more)

    def status(self, path: str = "/", **more: Any) -> int:
        return self.get(path, **more).status_code

    def statuses(self, count: int, path: str = "/", **more: Any) -> list[int]:
        """Of so many requests, one after another."""
        return [self.status(path, **more) for _ in range(count)]

    def arrives(self, path: str = "/", **more: Any) -> dict[str, str]:
        """The headers of the request as the backend got it."""
        self.seen.clear()
        answer = self.get(path, **more)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return dict(self.seen[-1].headers)

    def certified(self, uri: str) -> tuple[Path, Path]:
        """A client's certificate by the tier's own authority, and its key."""
        made = pki.issue_identity(
            self.world.var / "pki", uri=uri, server=False, life=timedelta(days=1), now=timezone.now()
        )
        name = uri.rpartition("/")[2]
        files = self.secrets / f"{name}.pem", self.secrets / f"{name}.key"
        for file, text in zip(files, (made.certificate, made.key), strict=True):
            file.write_text(text)
        return files


@contextlib.contextmanager
def guarded(world: World, secrets: Path) -> Iterator[Api]:
    """The backend for the length of the block."""
    seen: list[Request] = []
    with backend(seen) as port:
        yield Api(world, port, secrets, seen)
