"""`manage.py drill NAME`: one failure mode in the lab, without its defence and with it, and its runbook.

Exit 0 only when both held. 1: one did not. 2: nothing was drilled, and why.
"""

import json
import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.domain.actor import Actor
from lab.ports import BadPort
from runbooks.domain.answering import lines
from runbooks.domain.drills import table
from runbooks.drills import reporting
from runbooks.drills.catalogue import DRILLS
from runbooks.drills.drill import CannotPlay, Drill
from runbooks.drills.lab import Lab, NoLab, lab, of_make_up
from runbooks.drills.running import Outcome, run
from runbooks.services import drilling

NOTHING_DRILLED = 2


class Command(BaseCommand):
    help = "Drills one failure mode in the lab; without a name, lists them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", choices=sorted(DRILLS))
        parser.add_argument("--json", action="store_true", help="print what was found as JSON")
        parser.add_argument("--by", default="cli", help="who drills")
        parser.add_argument("--scale", type=share, default=1.0, help="smaller sides, such as 0.4 of the load")
        parser.add_argument("--report", type=int, help="go on with a drill that a page has begun")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["name"] is None:
            self._list()
            return
        drill, by = DRILLS[options["name"]], Actor(options["by"], "cli")
        here, report = self._begin(drill, by, options["report"])
        out = self.stderr if options["json"] else self.stdout
        outcome = self._run(drill, here, report, by, out, options["scale"])
        if options["json"]:
            self.stdout.write(json.dumps(outcome.as_data(), indent=1))
        else:
            self._tell(outcome)
        if not outcome.held:
            sys.exit(1)

    def _list(self) -> None:
        for drill in DRILLS.values():
            self.stdout.write(f"{drill.name:16} {drill.purpose}")

    def _begin(self, drill: Drill, by: Actor, report: int | None) -> tuple[Lab, int]:
        runbook = drill.live.runbook if drill.live else ""
        try:
            here = lab(settings.LAB_URL or of_make_up(os.environ))
            begun = report or drilling.begin(name=drill.name, runbook=runbook, by=by, now=timezone.now())
        except (BadPort, NoLab, drilling.UnderWay) as error:
            if report is not None:
                drilling.break_off(report, trouble=str(error), by=by, now=timezone.now())
            raise CommandError(str(error), returncode=NOTHING_DRILLED) from error
        return here, begun

    def _run(self, drill: Drill, here: Lab, report: int, by: Actor, out: Any, scale: float) -> Outcome:
        def say(line: str) -> None:
            out.write(line)
            out.flush()

        try:
            with interruptible():
                return run(drill, lab=here, report=report, by=by, say=say, scale=scale)
        except CannotPlay as error:
            raise CommandError(str(error), returncode=NOTHING_DRILLED) from error
        except KeyboardInterrupt:
            said = "interrupted: the lab is healed, and everything is as before"
            raise CommandError(said, returncode=NOTHING_DRILLED) from None

    def _tell(self, outcome: Outcome) -> None:
        defence, answering = outcome.defence, outcome.answering
        write = self.stdout.write
        write(f"\n{table(defence)}\n")
        for check in defence.checks:
            write(f"{'held' if check.held else 'NOT HELD'}: {check.says}")
        write(f"\nDefence held: {'yes' if defence.held else 'no'}")
        write(f"Runbook held: {answering.held} ({answering.why})")
        for line in lines(answering):
            write(line)
        write(f"Report: {reporting.file(outcome.report, outcome.drill.name, 'html')}")


def share(text: str) -> float:
    """From 0.1 to 1. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 1:
        raise ArgumentTypeError(f"{text} is no share from 0.1 to 1")
    return value


@contextmanager
def interruptible() -> Iterator[None]:
    """However it is asked to end, the drill heals the lab and puts everything back first."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # What a shell starts in the background ignores SIGINT until it is told otherwise.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
