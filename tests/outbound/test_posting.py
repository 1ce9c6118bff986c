"""What is signed, and what is known of the receiver when a request ends without an answer."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.http import Request, Response
from outbound import signing
from outbound.errors import NoSecret, NotAllowed, NotSent, Unanswered, Unreachable
from outbound.posting import Outbound, Reply
from outbound.secrets import Secrets
from tests.support.serving import serving

NOW = 1_767_225_600


def outbound(*hosts: str, timeout: float = 3.0) -> Outbound:
    secrets = Secrets({"SLUICE_HOOK_SECRET_OPS": "what the tests sign with"}, Path("/nonexistent"))
    return Outbound(secrets, frozenset(hosts), resolve=lambda host, port: ["127.0.0.1"], timeout=timeout)


def post(port: int, *, timeout: float = 3.0) -> Reply:
    url = f"http://ops.test:{port}/do"
    sent = outbound("ops.test", timeout=timeout)
    return sent.post(url, "ops", {"a": 1}, event="call", delivery="k-1", timestamp=NOW, more={"X-Key": "k"})


@contextlib.contextmanager
def speaking(*said: bytes, every: float = 0.0) -> Iterator[int]:
    """A server that says this to whoever connects, whatever it is asked, and the last of it for ever."""
    listener = socket.create_server(("127.0.0.1", 0))

    def speak() -> None:
        taken, _ = listener.accept()
        with taken, contextlib.suppress(OSError):
            taken.recv(65536)
            for each in said:
                taken.sendall(each)
            while every:
                time.sleep(every)
                taken.sendall(said[-1])

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(5)


def test_a_signature_is_the_hmac_of_timestamp_and_body() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    given = signing.signature(b"key", 1_700_000_000, b"{}")
    assert given == "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert signing.signature(b"key", 1_700_000_001, b"{}") != given


def test_what_is_sent_beside_the_body_arrives() -> None:
    seen: list[Request] = []

    async def answer(request: Request) -> Response:
        seen.append(request)
        return Response(201, b"done")

    with serving(answer) as port:
        assert post(port) == Reply(201, b"done")
    assert (seen[0].headers["x-key"], seen[0].headers["sluice-delivery"]) == ("k", "k-1")


def test_where_nobody_listens_nothing_was_sent() -> None:
    with pytest.raises(Unreachable):
        post(1)


@pytest.mark.parametrize("port", [80, 443])
def test_what_may_not_be_sent_was_not_sent(port: int) -> None:
    sent = outbound()
    with pytest.raises(NotAllowed):
        sent.post(f"http://ops.test:{port}/", "ops", {}, event="", delivery=1, timestamp=NOW)
    with pytest.raises(NoSecret):
        sent.post(f"http://ops.test:{port}/", "other", {}, event="", delivery=1, timestamp=NOW)
    assert issubclass(NotAllowed, NotSent)
    assert issubclass(NoSecret, NotSent)


def test_a_connection_that_is_cut_may_have_been_enough() -> None:
    with speaking() as port, pytest.raises(Unanswered):
        post(port)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"],
    ids=["head", "body that ends with the connection"],
)
def test_an_answer_that_drips_is_cut_when_the_time_is_over(head: bytes) -> None:
    began = time.monotonic()
    with speaking(head, b"x", every=0.05) as port, contextlib.suppress(Unanswered):
        post(port, timeout=0.5)
    assert time.monotonic() - began < 2
