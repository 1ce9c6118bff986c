"""`manage.py plan ...`: the planning figures, as text or as JSON."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

import proxy.selectors
from planning import capacity, selectors
from planning.domain import wording
from proxy.domain.errors import UnknownTier
from telemetry import ports

EMPTY = "No call graph is declared: add `call_graph:` to a file and `manage.py apply` it (docs/planning.md)."


class Command(BaseCommand):
    help = "Planning figures: what retries make of one request, and what requests hold in a proxy."

    def add_arguments(self, parser: CommandParser) -> None:
        figures = parser.add_subparsers(dest="figure", required=True)
        amplification = figures.add_parser("amplification", help="load behind layers that each retry")
        buffers = figures.add_parser("capacity", help="the memory that requests in flight can hold")
        buffers.add_argument("tier", nargs="?", default="", metavar="TIER", help="default: every tier")
        for each in (amplification, buffers):
            each.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["figure"] == "capacity":
            self._capacity(options["tier"], as_json=options["json"])
        else:
            self._amplification(as_json=options["json"])

    def _amplification(self, *, as_json: bool) -> None:
        found = selectors.amplified(now=timezone.now())
        if as_json:
            self._json(wording.amplification_data(found))
        elif not found.loads:
            self.stdout.write(EMPTY)
        else:
            self.stdout.write("\n".join(wording.amplification_lines(found)))

    def _capacity(self, tier: str, *, as_json: bool) -> None:
        metrics, now = ports.from_settings(), timezone.now()
        if tier:
            try:
                found = [capacity.capacity(metrics, proxy.selectors.desired(tier, now=now), now=now)]
            except UnknownTier as error:
                raise CommandError(str(error)) from error
        else:
            found = capacity.capacities(metrics, now=now)
        if as_json:
            self._json(
                [{"tier": one.tier, **wording.buffers_data(one.buffers, one.why_unknown)} for one in found]
            )
        for one in [] if as_json else found:
            self.stdout.write(f"tier {one.tier}, each proxy")
            self.stdout.write(
                "\n".join(f"  {line}" for line in wording.buffers_lines(one.buffers, one.why_unknown))
            )

    def _json(self, data: Any) -> None:
        self.stdout.write(json.dumps(data, indent=2))
