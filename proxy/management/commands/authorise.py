"""`manage.py authorise`: OAuth token introspection for the proxies."""

import asyncio
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from proxy import vault
from proxy.ads.addresses import is_loopback
from proxy.authoriser import Authoriser, CannotBind, Server, is_safe, serve
from proxy.domain.introspection import Ages

EXPOSED = (
    "is reached from other machines, in the clear and without a login: tokens can be read on the way, and"
    " whoever answers in its place can say yes. Let only the proxies reach it, by a private network"
)


def _secret(file: str) -> str:
    try:
        text = vault.text(file).strip()
    except OSError as error:
        raise CommandError(f"--client-secret: {settings.SECRETS}/{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"--client-secret: {settings.SECRETS}/{file} is not text") from error
    if not text:
        raise CommandError(f"--client-secret: {settings.SECRETS}/{file} is empty")
    return text


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError("must be whole seconds, 0 or more")
    return int(text)


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = (
        "Answers proxies that ask by ext_authz (gRPC) whether a request's OAuth token is good, by asking an"
        " authorisation server's introspection endpoint (RFC 7662), until it is told to end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:18003", help="host:port to listen on")
        parser.add_argument("--url", required=True, help="the introspection endpoint: https, or this machine")
        parser.add_argument("--client-id", required=True, help="who asks there")
        parser.add_argument("--client-secret", required=True, help="its file below the secrets directory")
        parser.add_argument("--audience", help="whom tokens must be issued for; none: anybody")
        parser.add_argument(
            "--max-age",
            type=_seconds,
            default=30,
            help="seconds that a good token is believed: a revoked one too",
        )
        parser.add_argument(
            "--max-age-bad", type=_seconds, default=10, help="seconds that a bad one is remembered"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_safe(options["url"]):
            raise CommandError("--url must be https: tokens and the secret go there")
        ages = Ages(timedelta(seconds=options["max_age"]), timedelta(seconds=options["max_age_bad"]))
        server = Server(options["url"], options["client_id"], _secret(options["client_secret"]))
        if not is_loopback(options["bind"]):
            self.stderr.write(f"warning: {options['bind']} {EXPOSED}")
        try:
            asyncio.run(serve(options["bind"], Authoriser(server, options["audience"], ages)))
        except CannotBind as error:
            raise CommandError(str(error)) from error
