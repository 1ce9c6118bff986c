"""`manage.py export [TIER]`: the declaration back as YAML."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy import bases, observed, sections, selectors
from proxy.domain.errors import UnknownTier


class _Dumper(yaml.CSafeDumper):
    """Texts of several lines stay lines, where YAML can say them so."""


def _text(dumper: _Dumper, given: str) -> yaml.Node:
    # A tab or a space at a line's end, or U+0085, is written in quotes by the library itself.
    style = "|" if "\n" in given.strip() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", given, style=style)


_Dumper.add_representer(str, _text)


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Prints the declaration of one tier or of all; `apply --plan` of it shows no difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tier", metavar="TIER", nargs="?")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            declared = {"tiers": list(_declarations(options["tier"]))}
            beside = {} if options["tier"] else sections.exported()
        except UnknownTier as error:
            raise CommandError(str(error)) from error
        # The one in Python writes U+0085 as it is, and every reader takes that for the end of a line.
        text = yaml.dump(
            {**(declared if declared["tiers"] or not beside else {}), **beside},
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=None,
            width=110,
        )
        self.stdout.write(_made_from(declared["tiers"]) + text, ending="")
        driven = {row.name for row in selectors.tiers()} & {one["name"] for one in declared["tiers"]}
        for name in sorted(driven):
            for line in bases.base(name).troubles:
                self.stderr.write(f"warning: tier {name}: {line}")


def _declarations(tier: str | None) -> Iterator[dict[str, Any]]:
    """Of one tier or of all, driven and observed."""
    watched = {row.name: row.declared for row in observed.tiers()}
    if tier is not None and tier not in watched:
        yield selectors.base(tier).declaration()
        return
    if tier is None:
        yield from (selectors.base(row.name).declaration() for row in selectors.tiers())
    yield from (declared.declaration() for name, declared in watched.items() if tier in (None, name))


def _made_from(declared: Iterable[dict[str, Any]]) -> str:
    """For whoever edits it: with `apply --base` nobody's change is lost."""
    revisions = {row.name: row.revision for row in selectors.tiers()}
    named = [f"--base {one['name']}={revisions[one['name']]}" for one in declared if one["name"] in revisions]
    return f"# manage.py apply FILE {' '.join(named)}\n" if named else ""
