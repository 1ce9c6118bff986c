"""An Envoy of somebody else for tests, with a backend whose failures are asked for by path."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from proxy.domain.translate.instrumenting import snippets
from tests.support.envoy import command
from tests.support.processes import free_port, listening, started

FOREIGN = Path(__file__).parent / "observing" / "foreign.yaml"
SLOW_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0


class Backend(http.server.BaseHTTPRequestHandler):
    """`/fail` is a 503, `/once` is one every other time, `/slow` outlasts the route's timeout."""

    protocol_version = "HTTP/1.1"
    turns = 0

    def do_GET(self) -> None:
        code = 503 if "/fail" in self.path or self._turn() else 200
        if "/slow" in self.path:
            time.sleep(SLOW_SECONDS)
        # The proxy may have given up meanwhile.
        with contextlib.suppress(ConnectionError):
            self.send_response(code)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def _turn(self) -> bool:
        if "/once" not in self.path:
            return False
        type(self).turns += 1
        return type(self).turns % 2 == 1

    def log_message(self, *args: Any) -> None:
        """Nothing to say."""


@contextlib.contextmanager
def backend() -> Iterator[int]:
    """Its port. A class of its own, so that whose turn it is is no other backend's."""
    handler = type("OwnBackend", (Backend,), {"turns": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the proxy cuts slow ones: no news
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@contextlib.contextmanager
def envoy(directory: Path, name: str, *, instrumented: bool) -> Iterator["Gateway"]:
    """A gateway that runs the foreign bootstrap, as it is or with what `manage.py instrument` prints."""
    with backend() as port:
        ports = {"19901": free_port(), "18080": free_port(), "18081": port, "18082": free_port()}
        configuration = bootstrap(ports)
        if instrumented:
            instrument(configuration)
        path = directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump(configuration))
        gateway = Gateway(ports["18080"], ports["19901"], configuration)
        ready = started(command(path), log=directory / f"{name}.log", ready=lambda: listening(gateway.port))
        with ready:
            yield gateway


class Gateway:
    """Where it listens, and its one round of traffic."""

    # In a round: 12 answers, 5 of them 5xx, of which the backend made 2. Of 11 first attempts 5 fail.
    PATHS = (*("/",) * 6, "/fail", "/fail", "/closed", "/retry/once", "/slow")
    ANSWERS, BACKENDS, PROXYS, FIRSTS, FIRST_FAILURES = 12, 2, 3, 11, 5

    def __init__(self, port: int, admin_port: int, configuration: dict[str, Any]) -> None:
        self.port, self.admin, self.configuration = port, f"127.0.0.1:{admin_port}", configuration
        self._session = requests.Session()

    def round(self) -> list[int]:
        """The codes that the client got."""
        codes = [self._ask("GET", path) for path in self.PATHS]
        return [*codes, self._ask("POST", "/pay")]

    def _ask(self, method: str, path: str) -> int:
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"Host": "shop.test"}
        return self._session.request(method, url, headers=headers, timeout=TIMEOUT_SECONDS).status_code


def bootstrap(ports: dict[str, int]) -> dict[str, Any]:
    """The foreign bootstrap with its ports."""
    text = FOREIGN.read_text()
    for written, port in ports.items():
        text = text.replace(f"port_value: {written}", f"port_value: {port}")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def instrument(configuration: dict[str, Any]) -> None:
    """Paste each snippet where `manage.py instrument` says that it belongs."""
    made = snippets()
    configuration.update(made["Bootstrap"])
    for cluster in configuration["static_resources"]["clusters"]:
        thresholds = cluster.setdefault("circuit_breakers", {}).setdefault("thresholds", [{}])
        thresholds[0]["track_remaining"] = True
    (listener,) = configuration["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager.update(made["HttpConnectionManager"])
    manager["http_filters"][-1]["typed_config"].update(made["Router"])
    manager["route_config"]["virtual_hosts"][0].update(made["VirtualHost"])
