"""How the adapter treats a server that misbehaves: one request, a bounded wait, one error of ours."""

import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from telemetry.domain.errors import (
    BadQuery,
    ExecutionFailed,
    MetricsError,
    MetricsUnavailable,
    QueryTimeout,
)
from telemetry.prometheus import Prometheus
from tests.support.processes import free_port

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
EMPTY = '{"status":"success","data":{"resultType":"vector","result":[]}}'


class Scripted(ThreadingHTTPServer):
    """Answers every request with `answer`, or never when it is None, and remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.answer: tuple[int, str] | None = (200, EMPTY)
        self.asked: list[dict[str, list[str]]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Asked(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.server.asked.append(parse_qs(urlsplit(self.path).query))
        if self.server.answer is None:
            self.server.released.wait(10)
            return
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    thread = threading.Thread(target=scripted.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield scripted
    scripted.released.set()
    scripted.shutdown()
    thread.join()
    scripted.server_close()


@pytest.fixture
def client(server: Scripted) -> Iterator[Prometheus]:
    prometheus = Prometheus(server.url, timeout=0.2)
    yield prometheus
    prometheus.close()


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "bad_data", BadQuery),
        (422, "execution", ExecutionFailed),
        (503, "timeout", QueryTimeout),
        (503, "canceled", QueryTimeout),
        (500, "internal", MetricsUnavailable),
    ],
)
def test_each_error_of_prometheus_is_one_of_ours_with_its_reason_and_is_asked_once(
    server: Scripted, client: Prometheus, status: int, kind: str, expected: type[MetricsError]
) -> None:
    server.answer = (status, f'{{"status":"error","errorType":"{kind}","error":"because"}}')

    with pytest.raises(expected) as caught:
        client.vector("up", at=NOW)

    assert caught.value.message == "because"
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [(502, "<html>bad gateway</html>"), (200, "<html>"), (200, "{}")])
def test_what_is_not_an_answer_of_prometheus_is_unavailable(
    server: Scripted, client: Prometheus, answer: tuple[int, str]
) -> None:
    server.answer = answer

    with pytest.raises(MetricsUnavailable):
        client.vector("up", at=NOW)


def test_a_server_that_never_answers_is_left_after_the_timeout(server: Scripted, client: Prometheus) -> None:
    server.answer = None

    with pytest.raises(QueryTimeout):
        client.vector("up", at=NOW)

    assert len(server.asked) == 1


def test_time_and_the_servers_own_timeout_are_sent_as_parameters(
    server: Scripted, client: Prometheus
) -> None:
    client.vector("up", at=NOW)

    assert server.asked == [{"query": ["up"], "time": ["1767323045.678"], "timeout": ["200ms"]}]


def test_a_warning_of_prometheus_is_logged(
    server: Scripted, client: Prometheus, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = (200, EMPTY[:-1] + ',"warnings":["remote read is partial"]}')

    with caplog.at_level(logging.WARNING):
        client.vector("up", at=NOW)

    assert "remote read is partial" in caplog.text


def test_a_prometheus_that_is_not_there_is_told_in_a_few_words() -> None:
    """Pages show it: where it was sought and why it was not found, not the query."""
    port = free_port()
    with pytest.raises(MetricsUnavailable) as error:
        Prometheus(f"http://127.0.0.1:{port}", 1.0).vector("up", at=NOW)
    assert error.value.message == f"Prometheus cannot be reached at 127.0.0.1:{port}: connection refused"
