"""`python -m bench [NAME...]`: see docs/bench.md. Ends with 1 when a target is missed; not a quick run."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from bench.runner import BENCHES, run  # noqa: E402 (Django's models are imported behind its set-up)

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="only prove that the harness works, in seconds")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "var" / "bench.json", help="where the figures go"
    )
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        figures = run(given.names, quick=given.quick, folder=Path(folder), output=given.output)
    return int(not given.quick and any(figure.verdict == "MISSED" for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
