"""`manage.py certificate NAME ...`: a certificate by the local authority, for a backend or for a client."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from proxy import pki
from proxy.domain.identity import is_own


class Command(BaseCommand):
    help = (
        "Writes a certificate that the local authority signs, its key, and the authority's own certificate."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME", help="a host name, or with --client a URI")
        parser.add_argument("--folder", required=True, type=Path, help="where the files are written")
        parser.add_argument("--client", action="store_true", help="for a client: shown, not served")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["client"]:
            _check_client(options["names"])
        folder: Path = options["folder"]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        make = _for_client if options["client"] else _for_server
        chain, key, authority = make(options["names"], timezone.now())
        pki.write(folder / "private.key", key)
        pki.write(folder / "certificate.pem", chain, mode=0o644)
        pki.write(folder / "ca.pem", authority, mode=0o644)
        days = pki.CERTIFICATE_LIFE.days
        self.stdout.write(f"{folder}: certificate.pem, private.key, ca.pem; good for {days} days")


def _check_client(names: list[str]) -> None:
    if len(names) > 1 or "://" not in names[0]:
        raise CommandError("a client has one name, a URI such as spiffe://shop/billing")
    if is_own(names[0]):
        raise CommandError(f"{names[0]} is a name of Sluice's own parts: manage.py bootstrap gives those out")


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
