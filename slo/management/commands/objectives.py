"""`manage.py objectives`: `import FILE`, `export [TIER]` (OpenSLO v1), `report OWNER MONTH`."""

import getpass
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from proxy.domain.errors import Invalid, Overtaken, Problem, UnknownTier
from slo import openslo, reports
from slo.domain.report_texts import as_csv, as_markdown

REFUSED = 2


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Takes objectives in from OpenSLO v1, prints them as OpenSLO v1, or reports a month of them."

    def add_arguments(self, parser: CommandParser) -> None:
        ways = parser.add_subparsers(dest="way", required=True)
        taken = ways.add_parser("import", help="lay a file's objectives over those of the tiers")
        taken.add_argument("file", metavar="FILE", help="YAML ('-': standard input)")
        taken.add_argument("--tier", help="where all of them go; default: the tier that the service names")
        taken.add_argument("--plan", action="store_true", help="print the difference, write nothing")
        taken.add_argument("--replace", action="store_true", help="the tier keeps only what the file has")
        taken.add_argument("--by", default="", help="who declares; default: the user of this process")
        taken.add_argument("--reason", default="", help="why; stands in the audit")
        printed = ways.add_parser("export", help="print the objectives of one tier or of all")
        printed.add_argument("tier", metavar="TIER", nargs="?")
        told = ways.add_parser("report", help="print a month of an owner's objectives, as Markdown")
        told.add_argument("owner", metavar="OWNER", help="'-': those that nobody owns")
        told.add_argument("month", metavar="MONTH", help="such as 2026-03")
        told.add_argument("--csv", action="store_true", help="as CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["way"] == "export":
                self.stdout.write(openslo.exported(options["tier"]), ending="")
            elif options["way"] == "report":
                found = reports.report(options["owner"], options["month"], now=timezone.now())
                self.stdout.write(as_csv(found) if options["csv"] else as_markdown(found), ending="")
            else:
                self._import(options)
        except OSError as error:
            self._refuse([(options["file"], error.strerror or str(error))])
        except UnicodeDecodeError:
            self._refuse([(options["file"], "is not UTF-8")])
        except (UnknownTier, reports.UnknownReport) as error:
            self._refuse([("", str(error))])
        except Invalid as error:
            self._refuse(error.errors)
        except Overtaken as error:
            self._refuse([("", str(error)), *(("", line) for line in error.changes)])

    def _import(self, options: dict[str, Any]) -> None:
        text, now = _read(options["file"]), timezone.now()
        where = {"into": options["tier"], "replace": options["replace"]}
        if options["plan"]:
            taken = openslo.plan(text, **where, now=now)
        else:
            by = Actor(options["by"] or getpass.getuser(), "cli")
            reason = options["reason"] or f"objectives import {Path(options['file']).name}"
            taken = openslo.take_in(text, **where, by=by, reason=reason, now=now)
        self._tell(taken, planned=options["plan"])

    def _tell(self, taken: openslo.Taken, *, planned: bool) -> None:
        """The changes as output; what is pointed out beside it, as output is for programs too."""
        lines = [*taken.changes, *(f"tier {name}: revision {n}" for name, n in taken.revisions.items())]
        if planned and lines:
            lines.append(f"{len(lines)} {'change' if len(lines) == 1 else 'changes'}")
        self.stdout.write("\n".join(lines) or "no difference")
        self._told("note: ", taken.notes)
        self._told("warning: ", (("", warning) for warning in taken.warnings))

    def _told(self, prefix: str, remarks: Iterable[Problem]) -> None:
        for path, message in remarks:
            self.stderr.write(f"{prefix}{path}: {message}" if path else f"{prefix}{message}")

    def _refuse(self, problems: Iterable[Problem]) -> None:
        self._told("", problems)
        sys.exit(REFUSED)


def _read(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
