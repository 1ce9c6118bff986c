"""A server that answers as Prometheus does, of a tier with so many routes, and counts what it is asked.

It evaluates nothing: a query gets a sample for each route, or one, by the labels that it is summed by. Where
an answer's worth matters, tests ask a real Prometheus.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

_BY = re.compile(r"by \(([^)]*)\)")
_ONE = {
    "tier": "edge",
    "proxy": "edge-1",
    "arm": "payments",
    "reason": "backend",
    "code": "200",
    "window": "1h",
}


@dataclass
class Answering:
    """Where it is, how many routes it knows, and each query that it got."""

    url: str
    routes: int
    asked: list[str] = field(default_factory=list)

    def result(self, path: str, promql: str) -> list[dict[str, Any]]:
        """One sample or one point for each series that the query makes."""
        found = _BY.search(promql)
        names = [name.strip() for name in found[1].split(",")] if found else []
        base = {name: _ONE.get(name, "") for name in names if name not in ("le", "")}
        many = [{**base, "route": f"r{n:04}"} for n in range(self.routes)]
        point = [time(), "0.5"]
        value = {"values": [point]} if path.endswith("query_range") else {"value": point}
        return [{"metric": labels, **value} for labels in (many if "route" in base else [base])]


@contextmanager
def answering(*, routes: int) -> Iterator[Answering]:
    """It listens for the length of the block."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            promql = parse_qs(address.query).get("query", [""])[0]
            server.asked.append(promql)
            found = server.result(address.path, promql)
            kind = "matrix" if address.path.endswith("query_range") else "vector"
            stats = {"samples": {"totalQueryableSamples": 7}, "timings": {"evalTotalTime": 0.002}}
            data = {"resultType": kind, "result": found, "stats": stats}
            body = {"status": "success", "data": data}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what was asked is kept."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server = Answering(f"http://127.0.0.1:{listening.server_address[1]}", routes)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield server
    listening.shutdown()
    listening.server_close()
