"""`manage.py xds`: the ADS server."""

import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.ads.last_good import Keeper
from proxy.ads.server import CannotBind, serve


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = "Serves the tiers to their proxies (gRPC, ADS) until it is told to end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default=settings.ADS_BIND, help="host:port to listen on")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            var = Path(settings.VAR)
            keeper = Keeper(var / "ads")
            asyncio.run(serve(options["bind"], var / "pki", keeper=keeper, plaintext=settings.ADS_PLAINTEXT))
        except CannotBind as error:
            raise CommandError(str(error)) from error
