"""`manage.py observed [TIER]`: the tiers that are watched and not driven."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from proxy import observed, services
from proxy.domain.errors import UnknownTier
from proxy.management.commands.inspect import lines
from proxy.observed import ObservedProxyRow


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Shows what the proxies of observed tiers were last seen to run; --forget ends the watch of one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tier", metavar="TIER", nargs="?")
        parser.add_argument("--forget", action="store_true", help="watch it no longer; nothing changes there")
        parser.add_argument("--reason", default="", help="why; stands in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["forget"]:
                self._forget(options["tier"], options["reason"])
            else:
                self._show(options["tier"])
        except UnknownTier as error:
            raise CommandError(str(error)) from error

    def _forget(self, tier: str | None, reason: str) -> None:
        if tier is None:
            raise CommandError("which tier? --forget takes one")
        by = Actor(getpass.getuser(), "cli")
        services.forget(tier=tier, by=by, reason=reason, now=timezone.now())
        self.stdout.write(f"tier {tier} is watched no longer")

    def _show(self, tier: str | None) -> None:
        for row in [observed.tier(tier)] if tier else observed.tiers():
            self.stdout.write(f"tier {row.name}")
            for proxy in row.proxies:
                self.stdout.write(f"  proxy {proxy.name}: {_state(proxy)}")
                for line in lines(proxy.seen) if proxy.seen else ():
                    self.stdout.write(f"    {line}")
            for each in row.differences:
                self.stdout.write(f"  {each.kind} {each.name} is another on {', '.join(each.others)}")


def _state(proxy: ObservedProxyRow) -> str:
    if not proxy.admin:
        return "no admin address: only its series are looked at"
    if proxy.trouble:
        return proxy.trouble
    return f"read {proxy.read_at:%Y-%m-%d %H:%M:%S} UTC" if proxy.read_at else "not read yet"
