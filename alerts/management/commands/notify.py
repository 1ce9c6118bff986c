"""`manage.py notify`: who is told and called, as the declared file means it; or each error with its path."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from alerts.domain import escalation
from alerts.domain.receivers import BadReceivers, Declared, Receiver, SlackChannel, Webhook, read
from outbound import posting
from outbound.errors import NoSecret


class Command(BaseCommand):
    help = "Shows receivers and escalation as SLUICE_NOTIFY_FILE, or FILE, declares them. Sends nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="another file than that of the settings")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["file"] or (Path(settings.NOTIFY_FILE) if settings.NOTIFY_FILE else None)
        if path is None:
            raise CommandError("SLUICE_NOTIFY_FILE is not set, and no FILE is given", returncode=2)
        told = self._read(path)
        for name, receiver in told.receivers.items():
            self.stdout.write(f"{name}: {receiver.kind}, {receiver.shown}")
        for each in told.notify:
            self.stdout.write(f"at once, of each {' and '.join(each.of)}: {each.to}")
        for step in told.escalation:
            self.stdout.write(f"when {escalation.words(step)}: {step.to}")
        missing = [why for why in map(_missing, told.receivers.values()) if why]
        if missing:
            raise CommandError("; ".join(missing), returncode=2)

    def _read(self, path: Path) -> Declared:
        try:
            return read(path.read_text())
        except (OSError, UnicodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}", returncode=2) from error
        except BadReceivers as error:
            lines = [f"{path}: {where}: {why}" if where else f"{path}: {why}" for where, why in error.errors]
            raise CommandError("\n".join(lines), returncode=2) from error


def _missing(receiver: Receiver) -> str:
    """What a receiver takes and is not there; empty when nothing is missing."""
    if isinstance(receiver, SlackChannel):
        alone = settings.SLACK_WEBHOOK_URL and not settings.SLACK_BOT_TOKEN
        why = f"{receiver.slack} takes SLUICE_SLACK_BOT_TOKEN: an incoming webhook has one channel"
        return why if alone else ""
    name = receiver.secret if isinstance(receiver, Webhook) else receiver.pagerduty
    try:
        posting.from_settings().secrets.read(name)
    except NoSecret as error:
        return str(error)
    return ""
