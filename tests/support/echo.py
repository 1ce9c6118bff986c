"""A backend that answers with what it was sent, over TLS where it is given a context."""

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        told = {
            "method": self.command,
            "path": self.requestline.split(" ")[1],  # `path` has lost the second of two slashes
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  # http.server looks for these names

    def log_message(self, format: str, *args: Any) -> None:  # the base class' name
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was refused is what a test wants."""


@contextlib.contextmanager
def echoing(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yields the loopback port on which it answers for the length of the block."""
    server = _Server(("127.0.0.1", 0), _Echo)
    if context is not None:
        # Not on accept, where one client that is silent would keep the others waiting.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
