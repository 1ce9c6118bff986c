"""A PostgreSQL server of the tests' own, on a free port, that lives as long as the block."""

import contextlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import free_port, listening, started

ROOT = Path(__file__).resolve().parents[2]
# The data lives for the length of the tests: nothing need survive a power cut.
CARELESS = ["-c", "fsync=off", "-c", "full_page_writes=off"]


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A fresh server; yields the URL of its empty database."""
    server = _program()
    with tempfile.TemporaryDirectory(prefix="sluice-pg-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        _give_away(Path(folder), data)
        initdb = [str(server.parent / "initdb"), "-D", str(data), "-A", "trust", "-U", "sluice", "-N"]
        subprocess.run(_as_server_user(initdb), check=True, stdout=subprocess.DEVNULL, cwd=folder)
        port = free_port()
        listen = ["-p", str(port), "-h", "127.0.0.1", "-k", folder]
        argv = _as_server_user([str(server), "-D", str(data), *listen, *CARELESS])
        with started(argv, ready=lambda: listening(port), cwd=Path(folder)):
            yield f"postgres://sluice@127.0.0.1:{port}/postgres"


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
