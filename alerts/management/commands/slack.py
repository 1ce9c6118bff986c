"""`manage.py slack`: takes presses by Socket Mode; and who in Slack acts as whom here."""

import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from access import linking, selectors
from alerts import slack, socket_mode
from audit.domain.actor import Actor


class Command(BaseCommand):
    help = "Takes presses of Slack's buttons by Socket Mode, until it is ended. Or: link, unlink, links."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", metavar="ACT")
        link = acts.add_parser("link", help="presses of this Slack user are those of NAME from now on")
        link.add_argument("slack_id", metavar="ID", help="the member ID in Slack, such as U012AB3CD")
        link.add_argument("username", metavar="NAME", help="the user here")
        unlink = acts.add_parser("unlink", help="presses of this Slack user are refused from now on")
        unlink.add_argument("slack_id", metavar="ID")
        for act in (link, unlink):
            act.add_argument("--by", default="cli")
            act.add_argument("--reason", default="")
        acts.add_parser("links", help="everybody who is linked, with their roles")

    def handle(self, *args: Any, **options: Any) -> None:
        acts = {"link": self._link, "unlink": self._unlink, "links": self._links}
        act = acts.get(options["act"] or "")
        if act is not None:
            act(options)
        else:
            self._listen()

    def _listen(self) -> None:
        if not settings.SLACK_APP_TOKEN:
            raise CommandError("SLUICE_SLACK_APP_TOKEN is not set: see docs/slack.md", returncode=2)
        ended = threading.Event()

        def end(_signal: int, _frame: FrameType | None) -> None:
            ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        socket_mode.listen(app_token=settings.SLACK_APP_TOKEN, base_url=slack.api_url(), ended=ended)

    def _link(self, options: dict[str, Any]) -> None:
        try:
            linking.link(
                slack_id=options["slack_id"],
                username=options["username"],
                by=Actor(options["by"], "cli"),
                reason=options["reason"],
                now=timezone.now(),
            )
        except linking.CannotLink as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"{options['slack_id']} is {options['username']}")

    def _unlink(self, options: dict[str, Any]) -> None:
        by, now = Actor(options["by"], "cli"), timezone.now()
        if not linking.unlink(slack_id=options["slack_id"], by=by, reason=options["reason"], now=now):
            raise CommandError(f"{options['slack_id']} is linked to nobody", returncode=2)
        self.stdout.write(f"{options['slack_id']} is linked to nobody any more")

    def _links(self, options: dict[str, Any]) -> None:
        for row in selectors.slack_links():
            self.stdout.write(f"{row.slack_id}  {row.username}  {row.role.label if row.role else 'no role'}")
