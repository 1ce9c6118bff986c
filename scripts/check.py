"""Every static check, all of them even when one fails, then a table."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PYTHON = str(BIN / "python")

CHECKS: dict[str, list[str]] = {
    "format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    "lint": [str(BIN / "ruff"), "check", "--quiet", "."],
    "templates": [str(BIN / "djlint"), "--lint", "--quiet", "templates"],
    "types": [str(BIN / "mypy"), "."],
    "import contracts": [str(BIN / "lint-imports"), "--no-logo"],
    "Django": [PYTHON, "manage.py", "check", "--fail-level", "WARNING"],
    "migrations": [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    "generated documents": [PYTHON, "scripts/documents.py", "--check"],
}


def run(argv: list[str]) -> tuple[bool, str, float]:
    """Whether the check holds, what it printed, and how many seconds it took."""
    started = time.monotonic()
    done = subprocess.run(
        argv,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SLUICE_SECRET_KEY": "checks-sign-nothing", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode == 0, done.stdout + done.stderr, time.monotonic() - started


def main() -> int:
    results = {}
    for name, argv in CHECKS.items():
        held, printed, seconds = results[name] = run(argv)
        if not held:
            sys.stdout.write(f"--- {name}\n{printed}\n")
    for name, (held, _, seconds) in results.items():
        sys.stdout.write(f"{name:<22}{'holds' if held else 'FAILS':<8}{seconds:6.1f} s\n")
    return 0 if all(held for held, _, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
