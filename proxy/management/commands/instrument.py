"""`manage.py instrument`: what makes an observed fleet's figures exact."""

import textwrap
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandParser

from proxy.domain.translate.instrumenting import PLACES, snippets

WIDTH = 100


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Prints what to add to the configuration of an Envoy that Sluice watches, as YAML by place."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--into", choices=sorted(PLACES), help="only what belongs into this message")

    def handle(self, *args: Any, **options: Any) -> None:
        made = snippets()
        for place in [options["into"]] if options["into"] else made:
            comment = textwrap.wrap(f"{place}. {PLACES[place]}", WIDTH)
            self.stdout.write("\n".join(f"# {line}" for line in comment))
            self.stdout.write(yaml.dump(made[place], Dumper=_Plain, sort_keys=False, width=10_000))


class _Plain(yaml.SafeDumper):
    """Without anchors: a reader pastes a part of it, and the rest must not be needed."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
