"""The Prometheus rule file that the objectives need: printed, checked, tested or published."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from slo import selectors, services
from telemetry import ports, rulefiles


class Command(BaseCommand):
    help = "Print the Prometheus rule file that the objectives need."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="let promtool check it and compare it with what Prometheus runs; exit 1 if it objects or"
            " differs, 2 if Prometheus does not say what it runs",
        )
        parser.add_argument(
            "--publish",
            action="store_true",
            help="write it to SLUICE_PROMETHEUS_RULES_DIR and reload Prometheus",
        )
        parser.add_argument(
            "--tests",
            metavar="TIER/OBJECTIVE",
            help="write what `promtool test rules` proves of this objective's alerts",
        )
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="the folder for the files of --tests (default: .)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print, check, test or publish."""
        if options["tests"]:
            self._tests(options["tests"], options["output"] or Path())
            return
        if options["check"]:
            self._check()
        if options["publish"]:
            self._publish()
        elif not options["check"]:  # whose answer must not stand above a thousand lines
            self.stdout.write(services.rule_file(), ending="")

    def _check(self) -> None:
        if problem := rulefiles.check(services.rule_file()):
            raise CommandError(problem, returncode=1)
        self.stderr.write("promtool has no objection")
        try:
            found = services.drifted(metrics=ports.from_settings())
        except rulefiles.Away as error:
            raise CommandError(f"what Prometheus runs is not known: {error}", returncode=2) from error
        if found:
            raise CommandError("\n".join(["Prometheus runs other rules:", *found]), returncode=1)
        self.stderr.write("Prometheus runs just these rules")

    def _tests(self, named: str, folder: Path) -> None:
        try:
            made = selectors.rule_tests(*named.partition("/")[::2])
        except selectors.UnknownObjective as error:
            raise CommandError(f"{error}; write TIER/OBJECTIVE", returncode=1) from error
        folder.mkdir(parents=True, exist_ok=True)
        for each in made:
            (folder / each.rules_name).write_text(each.rules)
            (folder / each.tests_name).write_text(each.tests)
        tests = " ".join(str(folder / each.tests_name) for each in made)
        self.stdout.write(f"promtool test rules {tests}")

    def _publish(self) -> None:
        files = rulefiles.from_settings()
        if files is None:
            raise CommandError("SLUICE_PROMETHEUS_RULES_DIR is not set: there is nowhere to write to")
        by = Actor(name="manage.py rules", source="cli")
        now = timezone.now()
        services.sync_all(by=by, now=now)
        try:
            changed = services.publish_rules(files=files, metrics=ports.from_settings(), by=by, now=now)
        except rulefiles.NotPublished as error:
            raise CommandError(f"nothing changed: {error}", returncode=1) from error
        self.stderr.write("published" if changed else "published already")
