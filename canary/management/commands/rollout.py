"""`manage.py rollout ...`: rollouts for people at a shell and for pipelines."""

import getpass
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from canary import selectors, services
from canary.domain import declared
from canary.domain.declared import BadFile
from canary.domain.errors import Refused
from canary.domain.outcomes import exit_code
from canary.domain.plan import DEFAULT_STEPS, MODES
from canary.domain.states import WrongState
from canary.management.files import as_object, given_text
from canary.management.waiting import until_decided
from canary.selectors import RolloutRow
from canary.services.dry_runs import lines
from canary.services.rehearsing import rehearsed

REFUSED = 2
LATEST = 20
JSON = "print the rollout as an object"
APPLY = "start the rollout that a YAML file declares; the same key starts it once"
STATUS = f"show where one rollout stands in a line, or the latest {LATEST}, the newest first"
ACTIONS: dict[str, tuple[Callable[..., int | None], str]] = {
    "approve": (services.approve, "take the next step"),
    "skip": (services.skip, "take the next step without a PASS, for a --reason"),
    "pause": (services.pause, "stay at this weight; the judge may still roll back"),
    "resume": (services.resume, "go on at the present step"),
    "promote": (services.promote, "give the canary everything now"),
    "rollback": (services.rollback, "take the canary's traffic away"),
    "force": (services.force, "take back at once what returns in stages"),
    "undo": (services.undo, "give back the split that a promotion has replaced"),
    "retry": (services.retry, "start what was rolled back anew, with the same plan"),
    "close": (services.close, "end a rollback that cannot be read back from every proxy"),
}


class Command(BaseCommand):
    help = "Starts, watches and steers rollouts. `wait` ends with 0 promoted, 1 rolled back, 2 otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        self._start_arguments(verbs.add_parser("start", help="put an upstream on a route at its first step"))
        self._apply_arguments(verbs.add_parser("apply", help=APPLY, description=f"{APPLY.capitalize()}."))
        status = verbs.add_parser("status", help=STATUS, description=f"{STATUS.capitalize()}.")
        status.add_argument("id", type=int, nargs="?", help="the rollout's number; default: the latest ones")
        status.add_argument(
            "--json", action="store_true", help="an object, or without a number a list of them"
        )
        wait = verbs.add_parser("wait", help="wait for the end")
        wait.add_argument("id", type=int)
        wait.add_argument("--timeout", type=float, default=3600.0, help="seconds; default 3600")
        wait.add_argument("--patient", action="store_true", help="go on waiting while a person is asked")
        wait.add_argument("--json", action="store_true", help="at the end print an object with exit_code")
        for verb, (_, words) in ACTIONS.items():
            action = verbs.add_parser(verb, help=words)
            action.add_argument("id", type=int)
            action.add_argument("--json", action="store_true", help=JSON)
            _who(action)

    def _start_arguments(self, start: CommandParser) -> None:
        start.add_argument("route", help="name, tier/name or number")
        start.add_argument("upstream")
        start.add_argument(
            "--steps",
            default=",".join(f"{weight / 100:g}" for weight in DEFAULT_STEPS),
            help="the canary's share at each step in percent; default %(default)s",
        )
        start.add_argument("--mode", choices=MODES, default="approve")
        start.add_argument("--plan", default="{}", help="more of the plan as JSON, such as alpha or warm_up")
        start.add_argument("--dry-run", action="store_true", help="print what it would do, and do nothing")
        start.add_argument("--key", default="", help="the same key starts the same rollout once")
        start.add_argument("--json", action="store_true", help=f"{JSON}, or the dry run as one")
        _who(start)

    def _apply_arguments(self, apply: CommandParser) -> None:
        apply.add_argument("file", help="YAML, see docs/pipelines.md; - reads it from the standard input")
        apply.add_argument("--key", default="", help="takes the place of the file's key")
        apply.add_argument("--by", default="", help="who acts; default: the user of this process")
        apply.add_argument("--dry-run", action="store_true", help="print what it would do, and do nothing")
        apply.add_argument("--json", action="store_true", help=f"{JSON}, or the dry run as one")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["verb"]:
                case "start" if options["dry_run"]:
                    self._rehearse(options)
                case "start":
                    self._start(options)
                case "apply" if options["dry_run"]:
                    self._dry_run(options)
                case "apply":
                    self._apply(options)
                case "status":
                    self._status(options["id"], as_json=options["json"])
                case "wait":
                    self._wait(options)
                case verb:
                    self._act(verb, options)
        except BadFile as error:
            self._refuse(str(error))
        except Refused as error:
            self._refuse(f"{error.field}: {error.why}")
        except WrongState as error:
            self._refuse(str(error))

    def _act(self, verb: str, options: dict[str, Any]) -> None:
        act, _ = ACTIONS[verb]
        begun = act(
            rollout_id=options["id"],
            by=_actor(options),
            reason=options["reason"],
            now=timezone.now(),
        )
        self._status(begun or options["id"], as_json=options["json"])

    def _start(self, options: dict[str, Any]) -> None:
        number = services.start(
            route=options["route"],
            upstream=options["upstream"],
            plan=self._plan(options),
            mode=options["mode"],
            reason=options["reason"],
            key=options["key"],
            by=_actor(options),
            now=timezone.now(),
        )
        self._status(number, as_json=options["json"])

    def _apply(self, options: dict[str, Any]) -> None:
        document = declared.text(given_text(options["file"]), environment=os.environ)
        number = services.apply(document=document, key=options["key"], by=_actor(options), now=timezone.now())
        self._status(number, as_json=options["json"])

    def _dry_run(self, options: dict[str, Any]) -> None:
        document = declared.text(given_text(options["file"]), environment=os.environ)
        found = services.dry_run(document=document, key=options["key"], now=timezone.now())
        self.stdout.write(as_object(found) if options["json"] else "\n".join(lines(found)))

    def _rehearse(self, options: dict[str, Any]) -> None:
        found = services.rehearse(
            route=options["route"],
            upstream=options["upstream"],
            plan=self._plan(options),
            mode=options["mode"],
            now=timezone.now(),
        )
        self.stdout.write(as_object(found) if options["json"] else "\n".join(rehearsed(found)))

    def _plan(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            more = json.loads(options["plan"])
        except ValueError as error:
            self._refuse(f"--plan: is no JSON: {error}")
        if not isinstance(more, dict):
            self._refuse("--plan: must be a JSON object")
        return {"steps": self._steps(options["steps"]), **more}

    def _steps(self, given: str) -> list[int]:
        """Percents as basis points."""
        steps = []
        for text in given.split(","):
            try:
                share = float(text)
            except ValueError:
                share = math.nan
            if not 0 <= share <= 100:
                self._refuse(f"--steps: {text.strip() or 'nothing'} is no percent from 0 to 100")
            steps.append(round(share * 100))
        return steps

    def _status(self, number: int | None, *, as_json: bool) -> None:
        rows = [selectors.rollout(number).row] if number is not None else selectors.rollouts(limit=LATEST)
        if as_json:
            text = as_object(rows if number is None else rows[0])
        else:
            text = "\n".join(_line(row) for row in rows) or "no rollout yet"
        self.stdout.write(text)

    def _wait(self, options: dict[str, Any]) -> None:
        """Where an object is printed at the end, what happens until then goes to the standard error."""
        number, patient = options["id"], options["patient"]

        def look() -> tuple[str, int | None]:
            row = selectors.rollout(number).row
            return _line(row), exit_code(row.state, patient=patient)

        say = self.stderr.write if options["json"] else self.stdout.write
        code = until_decided(look, timeout=options["timeout"], say=say)
        if options["json"]:
            self.stdout.write(as_object(selectors.rollout(number).row, exit_code=code))
        sys.exit(code)

    def _refuse(self, why: str) -> Any:
        self.stderr.write(why)
        sys.exit(REFUSED)


def _line(row: RolloutRow) -> str:
    words = row.state.replace("_", " ")
    silent = f" (no data since {row.no_data_since:%H:%M:%S} UTC)" if row.no_data_since else ""
    held = f" No step up for now: {row.held}." if row.held else ""
    problem = f" Problem: {row.besides}." if row.besides else ""
    return (
        f"rollout {row.id}: {row.upstream} on {row.tier}/{row.route} is {words} at {row.weight / 100:g} %"
        f"{silent}. {row.summary}.{held}{problem}"
    )


def _who(parser: CommandParser) -> None:
    parser.add_argument("--by", default="", help="who acts; default: the user of this process")
    parser.add_argument("--reason", default="", help="why; stands in the audit")


def _actor(options: dict[str, Any]) -> Actor:
    return Actor(options["by"] or getpass.getuser(), "cli")
