"""`python -m bench.exporter PORT ROUTES`: the request counters of any number of proxies, at `/m/NAME`.

A process of its own. Each route has a counter of answers and one of failures, a hundredth of them, that grow
with time, the same for every proxy.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERIES = 'envoy_sluice_rq{{route="r{}",arm="v1",code="{}",reason="backend"}} '
ANSWERS_A_SECOND, FAILURES_A_SECOND = 100, 1


def main() -> None:
    port, routes = map(int, sys.argv[1:])
    began = time.monotonic()
    heads = [(SERIES.format(route, "200"), SERIES.format(route, "503")) for route in range(routes)]

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seconds = int(time.monotonic() - began) + 1
            good, bad = f"{seconds * ANSWERS_A_SECOND}\n", f"{seconds * FAILURES_A_SECOND}\n"
            body = "".join(f"{answers}{good}{failures}{bad}" for answers, failures in heads).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    ThreadingHTTPServer(("127.0.0.1", port), Page).serve_forever()


if __name__ == "__main__":
    main()
