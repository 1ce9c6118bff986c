"""The judge on recorded data (`manage.py judge FILE`, `-` for standard input) or on a rollout's, again."""

import dataclasses
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from canary import replays
from canary.domain import recorded
from canary.domain.errors import NothingKept, UnknownRollout

DIFFERS = 1


class Command(BaseCommand):
    """Prints the verdict as JSON and exits 0 whatever it is; 2 when there is nothing that can be judged.

    A rollout that comes to another verdict, or to the same with other evidence, exits with 1.
    """

    help = "Judge recorded data (JSON), or a rollout's ticks again, and print the verdict as JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("file", nargs="?", help="a JSON file, or - for standard input")
        what.add_argument("--rollout", type=int, metavar="N", help="judge what is kept of this rollout again")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rollout"] is not None:
            self._replay(options["rollout"])
        else:
            self._judge(options["file"])

    def _replay(self, number: int) -> None:
        try:
            row = replays.replay(number)
        except (UnknownRollout, NothingKept) as error:
            raise CommandError(error.why, returncode=2) from error
        self.stdout.write(json.dumps(dataclasses.asdict(row), cls=DjangoJSONEncoder))
        if not row.same:
            raise CommandError(row.sentence, returncode=DIFFERS)

    def _judge(self, name: str) -> None:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
            verdict = recorded.judge(json.loads(text))
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}", returncode=2) from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{name}: not UTF-8 text", returncode=2) from error
        except json.JSONDecodeError as error:
            raise CommandError(f"{name}: not JSON: {error}", returncode=2) from error
        except recorded.BadRecording as error:
            raise CommandError(f"{name}: {error}", returncode=2) from error
        self.stdout.write(json.dumps(verdict))
