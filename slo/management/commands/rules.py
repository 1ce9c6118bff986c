"""The Prometheus rule file that the objectives need, on standard output."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from slo import services
from telemetry import rulefiles


class Command(BaseCommand):
    help = "Print the Prometheus rule file that the objectives need."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="let promtool check it; exit 1 if it objects"
        )
        parser.add_argument(
            "--publish",
            action="store_true",
            help="write it to SLUICE_PROMETHEUS_RULES_DIR and reload Prometheus",
        )

    def handle(self, *args: Any, check: bool, publish: bool, **options: Any) -> None:
        """Print, check or publish."""
        text = services.rule_file()
        if check:
            if problem := rulefiles.check(text):
                raise CommandError(problem, returncode=1)
            self.stderr.write("promtool has no objection")
        if publish:
            self._publish()
        else:
            self.stdout.write(text, ending="")

    def _publish(self) -> None:
        files = rulefiles.from_settings()
        if files is None:
            raise CommandError("SLUICE_PROMETHEUS_RULES_DIR is not set: there is nowhere to write to")
        by = Actor(name="manage.py rules", source="cli")
        now = timezone.now()
        services.sync_all(by=by, now=now)
        try:
            changed = services.publish_rules(files=files, by=by, now=now)
        except rulefiles.NotPublished as error:
            raise CommandError(f"nothing changed: {error}", returncode=1) from error
        self.stderr.write("published" if changed else "published already")
