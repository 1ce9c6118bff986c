"""Every test: those on the database first on PostgreSQL, then all of them on SQLite with the real parts.

Arguments go to pytest, and then only the second run happens.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.postgresql import postgresql  # noqa: E402 (the path is set above)

PYTEST = [sys.executable, "-m", "pytest"]
# Not where real parts are measured: they would take each other's processor.
BESIDE = ["-n", "2", "--dist", "loadfile"]


def run(argv: list[str], **env: str) -> int:
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, **env}, check=False).returncode


def on_postgresql() -> int:
    """The database tests on a PostgreSQL server that lives as long as they do."""
    with postgresql() as url:
        return run([*PYTEST, *BESIDE, "-q", "-m", "django_db and not real and not stack"], DATABASE_URL=url)


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
