"""A PostgreSQL server of the tests' own, on a free port, that lives as long as the block."""

import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.support.processes import free_port, started

ROOT = Path(__file__).resolve().parents[2]
# The data lives for the length of the tests: nothing need survive a power cut.
CARELESS = ["-c", "fsync=off", "-c", "full_page_writes=off"]


@dataclass
class Server:
    """A server that may be stopped and started; its data stays."""

    url: str
    _argv: list[str]
    port: int
    _folder: Path
    _running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        self._running.enter_context(started(self._argv, ready=self.answers, cwd=self._folder))

    def answers(self) -> bool:
        """It listens before it is done with what it did not finish."""
        try:
            psycopg.connect(self.url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """With its connections: a server that waits for its clients to go has not gone."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        self._running.close()


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A fresh server; yields the URL of its empty database."""
    with postgresql_server() as server:
        yield server.url


@contextlib.contextmanager
def postgresql_server() -> Iterator[Server]:
    """A fresh server with an empty database, started."""
    program = _program()
    with tempfile.TemporaryDirectory(prefix="sluice-pg-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        _give_away(Path(folder), data)
        initdb = [str(program.parent / "initdb"), "-D", str(data), "-A", "trust", "-U", "sluice", "-N"]
        subprocess.run(_as_server_user(initdb), check=True, stdout=subprocess.DEVNULL, cwd=folder)
        port = free_port()
        listen = ["-p", str(port), "-h", "127.0.0.1", "-k", folder]
        argv = _as_server_user([str(program), "-D", str(data), *listen, *CARELESS])
        server = Server(f"postgres://sluice@127.0.0.1:{port}/postgres", argv, port, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _program() -> Path:
    found = subprocess.run(
        ["scripts/postgresql-program"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return Path(found.stdout.strip()).resolve()


def _as_server_user(argv: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: as root, run it as its package's own user."""
    return ["runuser", "-u", "postgres", "--", *argv] if os.geteuid() == 0 else argv


def _give_away(*folders: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        for folder in folders:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
