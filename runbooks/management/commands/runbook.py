"""`manage.py runbook SLUG TIER`: how far a runbook may go on a tier, shown or set.

`--rehearse` replays it over recorded metrics, `--dry-run TARGET` shows the plan of a start by hand.
`runbook apply FILE.md`, `export SLUG`, `history SLUG` and `delete SLUG` are of teams' own: `management.own`.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

import proxy.selectors
from audit.domain.actor import Actor
from proxy.domain.errors import UnknownTier
from runbooks import selectors, services
from runbooks.domain.gate import MODES
from runbooks.domain.policy import BadPolicy, as_data
from runbooks.management import own, rehearsing
from runbooks.texts import UnknownRunbook


class Command(BaseCommand):
    help = "Shows or sets a runbook's mode and durations on a tier; keeps runbooks of teams' own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help=f"or one of {', '.join(own.WORDS)}")
        parser.add_argument("tier", metavar="TIER", help="the tier; of apply the file, else the runbook")
        parser.add_argument("--plan", action="store_true", help="of apply: say what would change")
        parser.add_argument("--mode", choices=MODES)
        parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="such as hold_for=5m")
        parser.add_argument("--rehearse", action="store_true", help="over what Prometheus recorded")
        parser.add_argument("--from", default="1h", metavar="TIME", help="such as 2h (ago), or an ISO time")
        parser.add_argument("--to", default="now", metavar="TIME")
        parser.add_argument(
            "--dry-run", metavar="TARGET", help="the plan of a start by hand; changes nothing"
        )
        parser.add_argument("--by", default="cli")
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        word = own.WORDS.get(options["slug"])
        if word is not None:
            word(options["tier"], options, self.stdout, self.stderr)
            return
        if options["rehearse"]:
            rehearsing.rehearse(options, self.stdout)
            return
        if options["dry_run"]:
            rehearsing.dry_run(options, self.stdout)
            return
        try:
            tier = proxy.selectors.base(options["tier"])
            self._set(options)
            mode = selectors.mode(runbook=options["slug"], tier=tier)
            policy = selectors.policy(runbook=options["slug"], tier=tier)
            _, problem = selectors.declared_policy(runbook=options["slug"], tier=tier)
        except (UnknownTier, UnknownRunbook, BadPolicy) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"mode: {mode}")
        if problem:
            self.stderr.write(f"the policy that the tier declares is not used: {problem}")
        for name, value in as_data(policy).items():
            self.stdout.write(f"{name}: {value}")

    def _set(self, options: dict[str, Any]) -> None:
        common: dict[str, Any] = {
            "runbook": options["slug"],
            "tier": options["tier"],
            "by": Actor(options["by"], "cli"),
            "reason": options["reason"],
            "now": timezone.now(),
        }
        if options["set"]:
            services.set_policy(policy=dict(_pair(text) for text in options["set"]), **common)
        if options["mode"]:
            services.set_mode(mode=options["mode"], **common)


def _pair(text: str) -> tuple[str, str | float]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadPolicy(f"write NAME=VALUE, not {text}")
    try:
        return name, float(value)
    except ValueError:
        return name, value
