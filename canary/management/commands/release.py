"""`manage.py release ...`: rollouts over many routes and tiers, in waves, for people and pipelines."""

import dataclasses
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from audit.domain.actor import Actor
from canary import releases, services
from canary.domain import declared
from canary.domain.declared import BadFile
from canary.domain.errors import Refused
from canary.domain.outcomes import release_exit_code
from canary.domain.states import WrongState
from canary.management.waiting import until_decided
from canary.releases import ReleaseRow

REFUSED = 2
ACTIONS = {
    "approve": "approve each rollout that waits for it",
    "pause": "begin no further wave and hold each rollout where it is; the judge may still roll back",
    "resume": "go on",
    "rollback": "take back every wave",
    "close": "end a rollback of which something cannot be taken back",
}


class Command(BaseCommand):
    help = "Begins, watches and steers releases. `wait` ends with 0 promoted, 1 rolled back, 2 otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        apply = verbs.add_parser("apply", help="begin the release that a YAML file declares, once per key")
        apply.add_argument("file", help="YAML, see docs/pipelines.md; - reads it from the standard input")
        apply.add_argument("--key", default="", help="takes the place of the file's key")
        apply.add_argument("--by", default="", help="who acts; default: the user of this process")
        status = verbs.add_parser("status", help="show a release's waves, rollout by rollout")
        status.add_argument("id", type=int)
        status.add_argument("--json", action="store_true", help="an object")
        wait = verbs.add_parser("wait", help="wait for the end")
        wait.add_argument("id", type=int)
        wait.add_argument("--timeout", type=float, default=3600.0, help="seconds; default 3600")
        wait.add_argument("--patient", action="store_true", help="go on waiting while a person is asked")
        for verb, words in ACTIONS.items():
            action = verbs.add_parser(verb, help=words)
            action.add_argument("id", type=int)
            action.add_argument("--by", default="", help="who acts; default: the user of this process")
            action.add_argument("--reason", default="", help="why; stands in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["verb"]:
                case "apply":
                    self._apply(options)
                case "status":
                    self._status(options["id"], as_json=options["json"])
                case "wait":
                    self._wait(options["id"], timeout=options["timeout"], patient=options["patient"])
                case verb:
                    self._act(verb, options)
        except Refused as error:
            self._refuse(f"{error.field}: {error.why}")
        except (BadFile, WrongState) as error:
            self._refuse(str(error))

    def _apply(self, options: dict[str, Any]) -> None:
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text()
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(f"{options['file']}: {error}")
        document = declared.text(text, environment=os.environ)
        number = services.release(
            document=document, key=options["key"], by=_actor(options), now=timezone.now()
        )
        self._status(number, as_json=False)

    def _act(self, verb: str, options: dict[str, Any]) -> None:
        given = {
            "release_id": options["id"],
            "by": _actor(options),
            "reason": options["reason"],
            "now": timezone.now(),
        }
        if verb == "approve":
            services.approve_release(**given)
        else:
            services.act_on_release(**given, event="roll_back" if verb == "rollback" else verb)
        self._status(options["id"], as_json=False)

    def _status(self, number: int, *, as_json: bool) -> None:
        row = releases.release(number)
        if as_json:
            self.stdout.write(json.dumps(dataclasses.asdict(row), cls=DjangoJSONEncoder))
        else:
            self.stdout.write(_text(row))

    def _wait(self, number: int, *, timeout: float, patient: bool) -> None:
        def look() -> tuple[str, int | None]:
            row = releases.release(number)
            return _text(row), release_exit_code(row.state, asks=row.asks, patient=patient)

        sys.exit(until_decided(look, timeout=timeout, say=self.stdout.write))

    def _refuse(self, why: str) -> Any:
        self.stderr.write(why)
        sys.exit(REFUSED)


def _text(row: ReleaseRow) -> str:
    lines = [f"release {row.id} ({row.key}) is {row.state.replace('_', ' ')}. {row.reason}"]
    for wave in row.waves:
        mark = "*" if wave.current else " "
        lines += [
            f"{mark} {wave.name}: {one.upstream} on {one.tier}/{one.route}, {one.state.replace('_', ' ')}"
            f" at {one.weight / 100:g} %, read back from {one.verified} of {one.proxies} proxies"
            + (f" ({one.problem})" if one.problem else "")
            for one in wave.members
        ]
    return "\n".join(lines)


def _actor(options: dict[str, Any]) -> Actor:
    return Actor(options["by"] or getpass.getuser(), "cli")
