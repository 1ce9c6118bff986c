"""Every test: those on the database first on PostgreSQL, then all of them on SQLite with the real parts.

Arguments go to pytest, and then only the second run happens.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.processes import free_port, listening, started  # noqa: E402 (the path is set above)

PYTEST = [sys.executable, "-m", "pytest"]


def run(argv: list[str], **env: str) -> int:
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, **env}, check=False).returncode


def as_server_user(argv: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: as root, run it as its package's own user."""
    return ["runuser", "-u", "postgres", "--", *argv] if os.geteuid() == 0 else argv


def on_postgresql() -> int:
    """The database tests on a PostgreSQL server that lives as long as they do."""
    server = Path(
        subprocess.run(
            ["scripts/postgresql-program"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    ).resolve()
    with tempfile.TemporaryDirectory(prefix="sluice-pg-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            os.chown(data, owner.pw_uid, owner.pw_gid)
        port = free_port()
        subprocess.run(
            as_server_user(
                [str(server.parent / "initdb"), "-D", str(data), "-A", "trust", "-U", "sluice", "-N"]
            ),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        listen = ["-p", str(port), "-h", "127.0.0.1", "-k", folder]
        # The data lives for the length of the tests: nothing need survive a power cut.
        careless = ["-c", "fsync=off", "-c", "full_page_writes=off"]
        argv = as_server_user([str(server), "-D", str(data), *listen, *careless])
        with started(argv, ready=lambda: listening(port), cwd=Path(folder)):
            url = f"postgres://sluice@127.0.0.1:{port}/postgres"
            return run([*PYTEST, "-q", "-m", "django_db and not real and not stack"], DATABASE_URL=url)


def main() -> int:
    if sys.argv[1:]:
        return run([*PYTEST, *sys.argv[1:]])
    sys.stdout.write("The database tests on PostgreSQL\n")
    sys.stdout.flush()
    failed = on_postgresql()
    sys.stdout.write("All tests on SQLite and the real parts\n")
    sys.stdout.flush()
    return run(PYTEST) or failed


if __name__ == "__main__":
    if shutil.which("prometheus") is None:
        sys.exit("prometheus is missing: apt-get install prometheus")
    sys.exit(main())
