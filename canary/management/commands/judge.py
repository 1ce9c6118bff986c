"""The judge on recorded data: `manage.py judge FILE`, `-` for standard input."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from canary.domain import recorded


class Command(BaseCommand):
    """Prints the verdict as JSON and exits 0 whatever it is; 2 when the file cannot be judged."""

    help = "Judge recorded data (JSON) and print the verdict as JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a JSON file, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["file"]
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
