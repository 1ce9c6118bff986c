"""`manage.py inspect FILE`: what Sluice sees in an Envoy's configuration dump or bootstrap."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.domain import observing
from proxy.domain.observing import Seen

NOTHING = 2


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Reads a /config_dump or a bootstrap ('-': standard input) and says what is seen and what is not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        seen = observing.read_text(_read(options["file"]))
        for line in lines(seen):
            self.stdout.write(line)
        if seen.source == "nothing":
            sys.exit(NOTHING)


def lines(seen: Seen) -> list[str]:
    """The picture in words, the refused and the not understood last."""
    version = f", Envoy {seen.version}" if seen.version else ""
    parts = (
        f"{len(seen.listeners)} listeners, {len(seen.managers)} HTTP connection managers, "
        f"{len(seen.routes)} routes, {len(seen.clusters)} clusters"
    )
    refused = [f"refused: {each.kind} {each.name}: {each.reason}" for each in seen.refusals]
    notes = [f"not understood ({note.times}x): {note.what}, at {note.path or '/'}" for note in seen.notes]
    return [f"{seen.source}{version}: {parts}", *refused, *notes]


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from error
