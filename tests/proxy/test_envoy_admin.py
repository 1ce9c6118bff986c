"""What is told of an address that is no admin interface of Envoy's."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from proxy.domain.errors import ProxyUnreachable
from proxy.envoy_admin import EnvoyAdmin


class Stranger(BaseHTTPRequestHandler):
    """Answers as its server was told, and sends whoever follows to a dump."""

    def do_GET(self) -> None:
        status, body = (200, b"{}") if self.path == "/elsewhere" else self.server.says  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def stranger() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, b"", "with HTTP 404"),
        (302, b"", "with HTTP 302"),
        (200, b"<html>", "with something else than JSON"),
        (200, b"[" * 100_000, "with something else than JSON"),
    ],
)
def test_an_address_of_something_else_is_told_with_what_it_says(
    status: int, body: bytes, told: str, stranger: HTTPServer
) -> None:
    stranger.says = (status, body)  # type: ignore[attr-defined]
    address = f"127.0.0.1:{stranger.server_port}"
    with pytest.raises(ProxyUnreachable) as raised:
        EnvoyAdmin().config_dump(address)
    assert str(raised.value) == f"{address} answers /config_dump?include_eds {told}"


def test_a_dump_that_is_too_large_is_not_read(stranger: HTTPServer) -> None:
    stranger.says = (200, b'"' + b"x" * (1 << 20) + b'"')  # type: ignore[attr-defined]
    address = f"127.0.0.1:{stranger.server_port}"
    with pytest.raises(ProxyUnreachable, match="more than 1 MB: raise SLUICE_ADMIN_MOST_MB"):
        EnvoyAdmin(most_mb=1).config_dump(address)
    stranger.says = (200, b'{"a": 1}')  # type: ignore[attr-defined]
    assert EnvoyAdmin(most_mb=1).config_dump(address) == {"a": 1}


def test_an_answer_that_drips_is_given_up(stranger: HTTPServer) -> None:
    stranger.says = (200, b'"' + b"x" * (1 << 20) + b'"')  # type: ignore[attr-defined]
    with pytest.raises(ProxyUnreachable, match="for longer than 0 s"):
        EnvoyAdmin(longest=0.0).config_dump(f"127.0.0.1:{stranger.server_port}")


def test_the_environment_s_proxies_stand_in_no_way(
    stranger: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    stranger.says = (200, b'{"a": 1}')  # type: ignore[attr-defined]
    assert EnvoyAdmin().config_dump(f"127.0.0.1:{stranger.server_port}") == {"a": 1}


def test_where_nobody_listens_that_is_told() -> None:
    with pytest.raises(ProxyUnreachable, match=r"127\.0\.0\.1:9 does not answer: ConnectionError"):
        EnvoyAdmin().config_dump("127.0.0.1:9")
