"""The lab's attackers, by themselves: they come again when they are cut, and they are bounded."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from lab.drills import siege
from lab.drills.apart import ToolFailed, told
from lab.drills.siege import BadSiege, Siege, besiege
from tests.support.processes import free_port


@contextmanager
def cutting(after: float) -> Iterator[int]:
    """A server that ends every connection after so many seconds, and reads nothing; its port."""
    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while not over.is_set():
                client, _ = server.accept()
                Thread(target=cut, args=(client,)).start()

        def cut(client: socket.socket) -> None:
            over.wait(after)
            client.close()

        thread = Thread(target=accept)
        thread.start()
        port = server.getsockname()[1]
        yield port
        over.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join()


def test_who_is_cut_comes_again_and_never_more_than_there_are() -> None:
    with cutting(after=0.2) as port:
        course = asyncio.run(besiege(Siege("slow-header", port, "shop.test", count=5, seconds=2)))
    assert course.opened > 5
    assert course.cut >= course.opened - 5
    assert 1 <= max(number for _, number in course.held) <= 5
    assert course.open == 0


def test_who_gets_no_connection_tries_on_until_the_time_is_over() -> None:
    course = asyncio.run(besiege(Siege("slow-body", free_port(), "shop.test", count=2, seconds=1.5)))
    assert course.refused > 2
    assert course.opened == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"count": 201}, "count is 1 to 200, not 201"),
        ({"seconds": 121.0}, "seconds is above 0 and up to 120, not 121"),
        ({"source": "192.0.2.1"}, "source is an address of 127.0.0.0/8, not 192.0.2.1"),
        ({"kind": "fast"}, "kind is one of slow-header, slow-body, slow-reader, not fast"),
    ],
)
def test_a_siege_without_bounds_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(BadSiege, match=says):
        Siege(**{"kind": "slow-header", "port": 1, "host": "shop.test", **wrong})  # type: ignore[arg-type]


def test_the_command_refuses_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert siege.main(["slow-header", "--port", "1", "--count", "0"]) == 2
    assert "count is 1 to 200, not 0" in capsys.readouterr().err


def test_a_tool_apart_says_what_it_found_or_why_not() -> None:
    with cutting(after=0.1) as port:
        argv = ["slow-reader", f"--port={port}", "--count=1", "--seconds=0.5", "--http2"]
        found = asyncio.run(told("lab.drills.siege", *argv))
    assert found["opened"] >= 1
    with pytest.raises(ToolFailed, match="siege: count is"):
        asyncio.run(told("lab.drills.siege", "slow-reader", "--port=1", "--count=1000"))
