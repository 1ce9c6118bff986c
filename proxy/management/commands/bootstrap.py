"""`manage.py bootstrap PROXY`: the file that an Envoy is started with."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy import selectors
from proxy.domain.tier import Proxy, Tier
from proxy.domain.translate.bootstrap import bootstrap

EVERYWHERE = ("0.0.0.0", "[::]", "")  # noqa: S104  # what a server binds to is not what a client connects to


class Command(BaseCommand):
    help = "Prints the bootstrap of a proxy as JSON, for `envoy -c`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("proxy", metavar="PROXY", help="a proxy's name, or tier/name")
        parser.add_argument("--ads", default=settings.ADS_BIND, help="host:port of the ADS server")

    def handle(self, *args: Any, **options: Any) -> None:
        tier, proxy = _find(options["proxy"])
        host, _, port = options["ads"].rpartition(":")
        address = "127.0.0.1" if host in EVERYWHERE else host.strip("[]")
        made = bootstrap(tier, proxy, ads_address=address, ads_port=int(port))
        self.stdout.write(json.dumps(made, indent=2))


def _find(which: str) -> tuple[Tier, Proxy]:
    tier_name, _, name = which.rpartition("/")
    bases = [selectors.base(row.name) for row in selectors.tiers() if tier_name in ("", row.name)]
    found = [(tier, proxy) for tier in bases for proxy in tier.proxies if proxy.name == name]
    if len(found) != 1:
        raise CommandError(f"there is no proxy {which}" if not found else f"{which} stands in several tiers")
    return found[0]
