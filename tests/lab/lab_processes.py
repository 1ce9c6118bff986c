"""Lab processes for tests: on free ports, spoken to over HTTP."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from lab import ports
from tests.support.processes import free_port, listening, started

TIMEOUT_SECONDS = 5


def free_environment() -> dict[str, str]:
    """A free port for every variable of the local system."""
    return {name: str(free_port()) for name in ports.DEFAULTS}


@dataclass(frozen=True)
class Backends:
    environment: dict[str, str]

    def url(self, variable: str, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.environment[variable]}{path}"

    def set_fault(self, **fault: Any) -> requests.Response:
        return requests.post(self.url("LAB_CONTROL_PORT", "/faults"), json=fault, timeout=TIMEOUT_SECONDS)

    def heal(self) -> None:
        requests.delete(self.url("LAB_CONTROL_PORT", "/faults"), timeout=TIMEOUT_SECONDS).raise_for_status()

    def counts(self, backend: str) -> dict[str, Any]:
        answer = requests.get(self.url("LAB_CONTROL_PORT", "/counts"), timeout=TIMEOUT_SECONDS).json()
        counts: dict[str, Any] = answer["counts"][backend]
        return counts

    def get(self, variable: str, **headers: str) -> requests.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.url(variable), headers=sent, timeout=TIMEOUT_SECONDS)


@contextmanager
def running_backends(log: Path) -> Iterator[Backends]:
    environment = free_environment()
    control = int(environment["LAB_CONTROL_PORT"])
    argv = [sys.executable, "-m", "lab.backends"]
    with started(argv, env=environment, log=log, ready=lambda: listening(control)):
        yield Backends(environment)
