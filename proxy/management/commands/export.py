"""`manage.py export [TIER]`: the declaration back as YAML."""

from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy import selectors
from proxy.domain.errors import UnknownTier


class Command(BaseCommand):
    help = "Prints the declaration of one tier or of all; `apply --plan` of it shows no difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tier", metavar="TIER", nargs="?")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            names = [options["tier"]] if options["tier"] else [tier.name for tier in selectors.tiers()]
            declared = {"tiers": [selectors.base(name).declaration() for name in names]}
        except UnknownTier as error:
            raise CommandError(str(error)) from error
        text = yaml.safe_dump(
            declared, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
        )
        self.stdout.write(text, ending="")
