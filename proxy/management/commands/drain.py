"""`manage.py drain PROXY` or `UPSTREAM/ENDPOINT`: take one out of use for a while, or back."""

import getpass
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

import proxy.ports
from audit.domain.actor import Actor
from proxy import registry, selectors, services
from proxy.domain.errors import ProxyError

MOST_MINUTES = 7 * 24 * 60


class Command(BaseCommand):
    help = "Drains a proxy or an endpoint: nothing new goes there, what is under way ends."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what", metavar="PROXY|UPSTREAM/ENDPOINT", help="an endpoint by its name or address:port"
        )
        parser.add_argument("--tier", help="where the name stands in several tiers")
        parser.add_argument(
            "--minutes", type=_minutes, default=60, help="it ends by itself after so long; 60"
        )
        parser.add_argument("--undo", action="store_true", help="use it again")
        parser.add_argument("--reason", type=_reason, required=True, help="why; stands in the audit")
        parser.add_argument("--by", default="", help="who; default: the user of this process")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        said = {
            "by": Actor(options["by"] or getpass.getuser(), "cli"),
            "reason": options["reason"],
            "now": now,
        }
        if not options["undo"]:
            said["until"] = now + timedelta(minutes=options["minutes"])
        try:
            generation = _do(options["what"], options["tier"], options["undo"], said)
        except ProxyError as error:
            raise CommandError(str(error), returncode=2) from error
        if "/" not in options["what"]:
            services.settle_drains(admin=proxy.ports.from_settings(), now=now, only=options["what"])
        self.stdout.write(f"generation {generation}")


def _reason(text: str) -> str:
    """As the API takes it."""
    if not text.strip():
        raise ArgumentTypeError("must not be empty")
    return text


def _minutes(text: str) -> int:
    """As the API takes them."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST_MINUTES:
        raise ArgumentTypeError(f"{text} is not a number of minutes from 1 to {MOST_MINUTES}")
    return int(text)


def _do(what: str, tier: str | None, undo: bool, said: dict[str, Any]) -> int:
    upstream, _, endpoint = what.partition("/")
    if endpoint:
        row = registry.upstream(upstream, tier)
        act = services.undrain_endpoint if undo else services.drain_endpoint
        return act(tier=row.tier, upstream=row.name, endpoint=endpoint, **said)
    act_on_proxy = services.undrain_proxy if undo else services.drain_proxy
    return act_on_proxy(tier=_tier_of(what, tier), proxy=what, **said)


def _tier_of(proxy_name: str, tier: str | None) -> str:
    found = [
        row.name
        for row in selectors.tiers()
        if tier in (None, row.name) and proxy_name in {each.name for each in row.proxies}
    ]
    if len(found) != 1:
        raise CommandError(
            f"there is no proxy {proxy_name}" if not found else f"{proxy_name} stands in several tiers"
        )
    return found[0]
