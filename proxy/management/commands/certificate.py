"""`manage.py certificate NAME ...`: a certificate by the local authority, for a backend or for a client."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from proxy import pki
from proxy.domain.errors import ProxyError
from proxy.domain.identity import ADS_HOST, is_own
from proxy.domain.tier import is_ip

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[!-~]+")


class Command(BaseCommand):
    requires_system_checks = ()  # of the pages, which are not served here
    help = (
        "Writes a certificate that the local authority signs, its key, and the authority's own certificate."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME", help="a host name, or with --client a URI")
        parser.add_argument("--folder", required=True, type=Path, help="where the files are written")
        parser.add_argument("--client", action="store_true", help="for a client: shown, not served")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        check, make = (_check_client, _for_client) if options["client"] else (_check_server, _for_server)
        check(options["names"])
        try:
            chain, key, authority = make(options["names"], timezone.now())
        except ProxyError as error:
            raise CommandError(str(error)) from error
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pki.write(folder / "private.key", key)
        pki.write(folder / "certificate.pem", chain, mode=0o644)
        pki.write(folder / "ca.pem", authority, mode=0o644)
        days = pki.CERTIFICATE_LIFE.days
        self.stdout.write(f"{folder}: certificate.pem, private.key, ca.pem; good for {days} days")


def _check_client(names: list[str]) -> None:
    if len(names) > 1 or not _URI.fullmatch(names[0]):
        raise CommandError("a client has one name, a URI such as spiffe://shop/billing")
    if is_own(names[0]):
        raise CommandError(f"{names[0]} is a name of Sluice's own parts: manage.py bootstrap gives those out")


def _check_server(names: list[str]) -> None:
    for name in names:
        if not (is_ip(name) or _HOST.fullmatch(name)):
            raise CommandError(
                f"{name!r} is neither a host name nor an IP address; --client is for a client with a URI"
            )
        if name == ADS_HOST:
            raise CommandError(f"{name} is the name of Sluice's own ADS servers")


def _for_server(names: list[str], now: datetime) -> tuple[bytes, bytes, bytes]:
    directory = settings.VAR / "pki"
    with pki.locked(directory):
        authority, key = pki.ensure_authority(directory, now)
    chain, private = pki.issue(names, authority, key, now=now)
    return chain, private, (directory / "ca.pem").read_bytes()


def _for_client(names: list[str], now: datetime) -> tuple[bytes, bytes, bytes]:
    life = pki.CERTIFICATE_LIFE
    made = pki.issue_identity(settings.VAR / "pki", uri=names[0], server=False, life=life, now=now)
    return made.certificate.encode(), made.key.encode(), made.authority.encode()
