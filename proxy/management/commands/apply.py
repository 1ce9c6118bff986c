"""`manage.py apply FILE`: declare tiers from YAML."""

import getpass
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from proxy import bases, differences, meanings, observed, sections, selectors, services, validation
from proxy.domain import document, transcoding
from proxy.domain.errors import Invalid, Overtaken, Problem, UnknownTier

REFUSED = 2


class Command(BaseCommand):
    help = (
        "Declares tiers, upstreams, routes, objectives and runbooks from a YAML file ('-': standard input)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--plan", action="store_true", help="print the difference, write nothing")
        parser.add_argument("--by", default="", help="who declares; default: the user of this process")
        parser.add_argument("--reason", default="", help="why; stands in the audit")

        parser.add_argument(
            "--base",
            action="append",
            default=[],
            metavar="[TIER=]N",
            help="the revision that the file was made from: refused when another was published since",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = _read(options["file"])
            loaded = document.load(text, environment=os.environ, as_written=sections.names())
            declared = transcoding.attached(loaded, _beside(options["file"]))
            if options["plan"]:
                self._plan(declared)
            else:
                self._apply(declared, options)
        except OSError as error:
            self._refuse([(options["file"], error.strerror or str(error))])
        except UnicodeDecodeError:
            self._refuse([(options["file"], "is not UTF-8")])
        except Invalid as error:
            self._refuse(error.errors)
        except Overtaken as error:
            self._refuse([("", str(error)), *(("", line) for line in error.changes)])

    def _plan(self, declared: dict[str, Any]) -> None:
        tiers = document.parse(declared, beside=sections.names())
        problems = [problem for tier in tiers for problem in validation.check_with_envoy(tier)]
        now = timezone.now()
        said, more = meanings.said(declared, tiers, now=now), sections.said(declared, tiers, now=now)
        if problems or said.problems or more.problems:
            raise Invalid([*problems, *said.problems, *more.problems])
        changes = [str(change) for tier in tiers for change in differences.plan(tier)]
        changes += [f"tier {name}: observed" for name in observed.news(document.observed(declared))]
        changes += sections.changes(declared)
        for change in changes:
            self.stdout.write(change)
        self.stdout.write(_counted(changes) if changes else "no difference")
        self._warn(line for tier in tiers for line in _troubles(tier.name))
        self._warn(
            [*(line for tier in tiers for line in selectors.warnings(tier)), *said.warnings, *more.warnings]
        )
        self._warn(f"{line}: wants --reason" for line in said.wants_reason)

    def _apply(self, declared: dict[str, Any], options: Mapping[str, Any]) -> None:
        if not options["reason"]:
            _refuse_without_reason(declared)
        applied = services.apply(
            document=declared,
            by=Actor(options["by"] or getpass.getuser(), "cli"),
            reason=options["reason"] or f"apply {Path(options['file']).name}",
            now=timezone.now(),
            gate=validation.check_with_envoy,
            made_from=_bases(declared, options["base"]),
        )
        if options["verbosity"] > 1:
            self.stdout.write("".join(f"{change}\n" for change in applied.changes), ending="")
        for name in applied.observed:
            self.stdout.write(f"tier {name}: observed")
        published = [f"tier {name}: revision {number}" for name, number in applied.revisions.items()]
        if published or not (applied.observed or applied.changes):
            self.stdout.write("\n".join(published) or "no difference")
        if applied.changes:
            self.stdout.write(_summary(applied.changes))
        self._warn(applied.warnings)

    def _warn(self, warnings: Iterable[str]) -> None:
        """Beside the output, which is for programs too."""
        for warning in warnings:
            self.stderr.write(f"warning: {warning}")

    def _refuse(self, problems: list[Problem]) -> None:
        for path, message in problems:
            self.stderr.write(f"{path}: {message}" if path else message)
        sys.exit(REFUSED)


def _refuse_without_reason(declared: dict[str, Any]) -> None:
    """What nobody should publish without saying why. Raises Invalid."""
    tiers = document.parse(declared, beside=sections.names())
    wanting = meanings.said(declared, tiers, now=timezone.now()).wants_reason
    if wanting:
        raise Invalid([("--reason", f"say why: {line}") for line in wanting])


def _summary(changes: Sequence[str]) -> str:
    """How many there are of each kind of thing. `--plan` told each, and so do the tier's revisions."""
    kinds = Counter(change.split()[1] for change in changes)
    parts = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
    return f"{_counted(changes)}: {parts}"


def _counted(changes: Sequence[str]) -> str:
    return f"{len(changes)} {'change' if len(changes) == 1 else 'changes'}"


def _troubles(tier: str) -> list[str]:
    """What is wrong with what the plan was compared with, or could not be."""
    try:
        return [f"tier {tier}: {line}" for line in bases.base(tier).troubles]
    except UnknownTier:
        return []


def _beside(file: str) -> Callable[[str], bytes]:
    """Reads files that the declaration names, from its own folder on."""
    folder = Path() if file == "-" else Path(file).parent
    return lambda name: (folder / name).read_bytes()


def _read(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")


def _bases(declared: Mapping[str, Any], given: Iterable[str]) -> dict[str, int]:
    """`7` is of the file's only tier. Raises Invalid."""
    names = [str(raw.get("name")) for raw in declared.get("tiers") or () if isinstance(raw, Mapping)]
    found = {}
    for text in given:
        name, _, number = text.rpartition("=")
        if not number.isdecimal() or (not name and len(names) != 1):
            raise Invalid([("--base", f"{text!r}: write N, or TIER=N for a file of several tiers")])
        found[name or names[0]] = int(number)
    return found
