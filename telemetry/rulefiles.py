"""Puts a rule file before Prometheus: written beside, renamed, reloaded; an error brings the old one back."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import requests
from django.conf import settings

CHECK_SECONDS = 20.0
RELOAD_SECONDS = 10.0


class NotPublished(Exception):
    """Prometheus has the rules that it had before; the message says what it, or `promtool`, objected to."""


class Away(NotPublished):
    """Nobody answers, so nothing is known of the rules. Other things will have noticed."""


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The directory that one Prometheus reads rules from. It matches `*.yml` there."""

    directory: Path
    url: str

    def current(self, name: str) -> str | None:
        """What is published under `name`; None when nothing is."""
        path = self.directory / name
        return path.read_text() if path.is_file() else None

    def publish(self, name: str, text: str) -> None:
        """Make `text` the rule file `name` and have it loaded. Raises NotPublished."""
        if problem := check(text):
            raise NotPublished(problem)
        before = self.current(name)
        self._replace(name, text)
        try:
            self._reload()
        except NotPublished:
            self._restore(name, before)
            raise

    def _replace(self, name: str, text: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # Each writer has a file of its own, or two at once would mix their text.
        beside = self.directory / f"{name}.{os.getpid()}-{threading.get_ident()}"
        with beside.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.directory / name)
        # The rename itself has to reach the disk, or a crash brings the old name back.
        entry = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)

    def _restore(self, name: str, before: str | None) -> None:
        if before is None:
            (self.directory / name).unlink(missing_ok=True)
        else:
            self._replace(name, before)
        # It failed with the new file; with the old one it may fail again, and then the first reason counts.
        with contextlib.suppress(NotPublished):
            self._reload()

    def _reload(self) -> None:
        """Ask for a reload. Raises NotPublished; on a 500 Prometheus goes on with its old rules."""
        try:
            answer = requests.post(f"{self.url.rstrip('/')}/-/reload", timeout=RELOAD_SECONDS)
        except requests.RequestException as error:
            raise Away(f"Prometheus cannot be reached: {error}") from error
        if not answer.ok:
            raise NotPublished(f"HTTP {answer.status_code}: {answer.text.strip()[:500]}")


def check(text: str) -> str:
    """What `promtool` objects to in a rule file; empty when nothing, or when there is no `promtool` here.

    Without `--lint-fatal` duplicate rules would pass.
    """
    program = shutil.which("promtool")
    if program is None:
        return ""
    # Not through standard input: promtool reads rules from there only since 2.46.
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        argv = [program, "check", "rules", "--lint=all", "--lint-fatal", file.name]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}".strip()


def from_settings() -> RuleFiles | None:
    """The rule directory of the settings; None when none is set, and so nothing can be published."""
    if not settings.PROMETHEUS_RULES_DIR:
        return None
    return RuleFiles(directory=Path(settings.PROMETHEUS_RULES_DIR), url=settings.PROMETHEUS_URL)
