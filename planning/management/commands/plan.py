"""`manage.py plan ...`: the planning figures, as text or as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from planning import selectors
from planning.domain.amplification import Amplification, Load

EMPTY = "No call graph is declared: add `call_graph:` to a file and `manage.py apply` it (docs/planning.md)."


class Command(BaseCommand):
    help = "Planning figures: what retries can make of one request along the declared calls."

    def add_arguments(self, parser: CommandParser) -> None:
        figures = parser.add_subparsers(dest="figure", required=True)
        amplification = figures.add_parser("amplification", help="load behind layers that each retry")
        amplification.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        found = selectors.amplified(now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(as_data(found), indent=2))
        elif not found.loads:
            self.stdout.write(EMPTY)
        else:
            self.stdout.write("\n".join(_lines(found)))


def as_data(found: Amplification) -> dict[str, Any]:
    """Every service with its load, for programs."""
    return {
        "services": [
            {
                "service": load.service,
                "worst": load.worst,
                "with_budgets": load.budgeted,
                "layers": [
                    {"name": layer.name, "route": layer.is_route, **asdict(layer.policy)}
                    for layer in load.layers
                ],
                "retrying_layers": len(load.retrying),
                "keep": load.keep or None,
            }
            for load in found.loads
        ],
        "unknown_routes": list(found.unknown),
    }


def _lines(found: Amplification) -> Iterable[str]:
    width = max(len("service"), *(len(load.service) for load in found.loads))
    yield f"{'service':<{width}}  {'worst':>7}  {'budgets':>7}  layers"
    for load in found.loads:
        yield f"{load.service:<{width}}  {load.worst_words:>7}  {load.budgeted_words:>7}  {load.formula}"
    for load in found.flagged:
        yield _advice(load)
    for route in found.unknown:
        yield f"no tier has the route {route}: it counts as one try"


def _advice(load: Load) -> str:
    layers, others = len(load.retrying), ", ".join(load.others)
    return f"{load.service}: {layers} layers retry; keep {load.keep}, switch off {others}"
