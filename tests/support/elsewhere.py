"""A Django process with a database of its own, which a test tells what to call.

    with elsewhere({"DATABASE_URL": ...}) as there:
        number = there.call("tests.alerts.places.fire", route="shop")

Run as a program it reads one call a line, as JSON, and answers each with a line.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import django
from django.utils.module_loading import import_string

from tests.support.processes import end

ROOT = Path(__file__).resolve().parents[2]


class CallFailed(Exception):
    """What was called raised; the text has its type and words."""


class Elsewhere:
    """The other process, from the test's side."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def call(self, path: str, **given: Any) -> Any:
        """What the function at a dotted path returns there. Arguments and answer are JSON. Raises CallFailed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([path, given]).encode() + b"\n")
        self._process.stdin.flush()
        answered = json.loads(self._process.stdout.readline() or b'{"error": "it ended"}')
        if "error" in answered:
            raise CallFailed(answered["error"])
        return answered["answer"]


@contextlib.contextmanager
def elsewhere(environment: Mapping[str, str], *, log: Path) -> Iterator[Elsewhere]:
    """The process, for the length of the block. `environment` is added to this process' own."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.elsewhere"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            yield Elsewhere(process)
        finally:
            end(process)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _serve() -> None:
    django.setup()
    # Whatever is printed meanwhile is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        path, given = json.loads(line)
        try:
            told = {"answer": import_string(path)(**given)}
        except Exception as error:  # noqa: BLE001 (whatever it is, the test is told)
            told = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(told) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
