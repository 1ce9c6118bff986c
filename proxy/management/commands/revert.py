"""`manage.py revert TIER NUMBER`: an earlier revision, published anew."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from proxy import services, validation
from proxy.domain.errors import ProxyError


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Goes back to a revision: publishes it as a new one, by the same checks as apply."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tier", metavar="TIER")
        parser.add_argument("number", metavar="NUMBER", type=int)
        parser.add_argument("--reason", required=True, help="why; stands in the revision and the audit")
        parser.add_argument("--by", default="", help="who; default: the user of this process")
        parser.add_argument("--base", type=int, help="refuse when another revision than this is the newest")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            applied = services.revert(
                tier=options["tier"],
                number=options["number"],
                by=Actor(options["by"] or getpass.getuser(), "cli"),
                reason=options["reason"],
                now=timezone.now(),
                made_from=options["base"],
                gate=validation.check_with_envoy,
            )
        except ProxyError as error:
            raise CommandError(str(error), returncode=2) from error
        for change in applied.changes:
            self.stdout.write(change)
        self.stdout.write(
            f"tier {options['tier']}: revision {applied.revision}" if applied.revision else "no difference"
        )
