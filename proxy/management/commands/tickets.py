"""`manage.py tickets rotate|show TIER`: the keys of a tier's session tickets."""

import getpass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from proxy import selectors, services, tickets
from proxy.domain.errors import ProxyError
from proxy.domain.tickets import Ring


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Rotates the session ticket keys of a tier, or shows which there are (never the keys themselves)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=("rotate", "show"))
        parser.add_argument("tier", metavar="TIER")
        parser.add_argument("--by", default="", help="who rotates; default: the user of this process")
        parser.add_argument("--reason", default="", help="why; stands in the audit")
        parser.add_argument(
            "--force", action="store_true", help="though the oldest key goes before its tickets have run out"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        directory, tier = Path(settings.VAR) / "pki", options["tier"]
        try:
            selectors.generation(tier)
            if options["what"] == "rotate":
                services.rotate_tickets(
                    tier=tier,
                    directory=directory,
                    by=Actor(options["by"] or getpass.getuser(), "cli"),
                    reason=options["reason"],
                    now=timezone.now(),
                    force=options["force"],
                )
            ring = tickets.read(directory, tier)
        except FileNotFoundError:
            raise CommandError(
                f"tier {tier} has no ticket keys in {directory / tier}: the ADS server makes them there when "
                "it serves the tier, so this command runs where that folder is"
            ) from None
        except (ProxyError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\n".join(_lines(ring)))


def _lines(ring: Ring) -> list[str]:
    lines = [f"{ring.encrypting.number} encrypts, made {ring.encrypting.made_at:%Y-%m-%d %H:%M} UTC"]
    if ring.joining is not None:
        lines.append(
            f"{ring.joining.number} joins: encrypts once every proxy has generation {ring.generation}"
        )
    lines += [
        f"{key.number} decrypts only, since {key.retired_at:%Y-%m-%d %H:%M} UTC" for key in ring.retired
    ]
    return lines
