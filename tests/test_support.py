import sys
from pathlib import Path

import pytest

from tests.support.processes import NotReady, free_port, listening, started, wait_until


def test_a_process_is_ready_inside_the_block_and_ended_after_it(tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]

    with started(argv, ready=lambda: listening(port)) as process:
        running = process.poll()

    assert running is None
    assert process.returncode is not None
    assert not listening(port)


def test_a_process_that_dies_before_it_is_ready_shows_its_log(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('no such luck')"]

    with (
        pytest.raises(NotReady, match="no such luck"),
        started(argv, log=tmp_path / "log", ready=lambda: False),
    ):
        pass


def test_waiting_names_what_did_not_come() -> None:
    with pytest.raises(NotReady, match="the moon"):
        wait_until(lambda: False, timeout=0.05, what="the moon")


def test_a_port_is_handed_out_once() -> None:
    assert free_port() != free_port()
