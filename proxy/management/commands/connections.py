"""`manage.py connections`: the connection counter."""

import asyncio
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy.ads.addresses import is_loopback
from proxy.counter import CannotBind, serve
from proxy.domain.counting import CAPACITY, FORGOTTEN_AFTER

EXPOSED = (
    "is reached from other machines without a login: whoever reaches it can count connections against"
    " anybody. Let only the proxies reach it, by a private network"
)


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = (
        "Counts open connections by client address for the proxies of tiers with "
        "limits.max_connections_per_address, until it is told to end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:18001", help="host:port to listen on")
        parser.add_argument(
            "--capacity", type=int, default=CAPACITY, help="the most connections that are counted"
        )
        parser.add_argument(
            "--forget-after",
            type=int,
            default=int(FORGOTTEN_AFTER.total_seconds()),
            help="seconds after which a connection is taken to be over: longer than any may live",
        )
        parser.add_argument(
            "--metrics-port", type=int, help="a loopback port for Prometheus; none: no metrics"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_loopback(options["bind"]):
            self.stderr.write(f"warning: {options['bind']} {EXPOSED}")
        running = serve(
            options["bind"],
            capacity=options["capacity"],
            forgotten_after=timedelta(seconds=options["forget_after"]),
            metrics_port=options["metrics_port"],
        )
        try:
            asyncio.run(running)
        except CannotBind as error:
            raise CommandError(str(error)) from error
