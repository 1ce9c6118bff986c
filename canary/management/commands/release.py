"""`manage.py release ...`: rollouts over many routes and tiers, in waves, for people and pipelines."""

import getpass
import os
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from audit.domain.actor import Actor
from canary import releases, services
from canary.domain import declared
from canary.domain.declared import BadFile
from canary.domain.errors import Refused
from canary.domain.outcomes import release_exit_code
from canary.domain.states import WrongState
from canary.management.files import as_object, given_text
from canary.management.waiting import until_decided
from canary.releases import ReleaseRow
from canary.services.dry_runs import lines

REFUSED = 2
LATEST = 20
JSON = "print the release as an object"
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
        apply.add_argument("--dry-run", action="store_true", help="print what it would do, and do nothing")
        apply.add_argument("--json", action="store_true", help=f"{JSON}, or the dry run as one")
        listed = verbs.add_parser("list", help="the latest releases in a line each, the newest first")
        listed.add_argument("--limit", type=_some, default=LATEST, help="at most; default %(default)s")
        listed.add_argument("--json", action="store_true", help="a list of objects")
        status = verbs.add_parser("status", help="show a release's waves, rollout by rollout")
        status.add_argument("id", type=int)
        status.add_argument("--json", action="store_true", help=JSON)
        wait = verbs.add_parser("wait", help="wait for the end")
        wait.add_argument("id", type=int)
        wait.add_argument("--timeout", type=float, default=3600.0, help="seconds; default 3600")
        wait.add_argument("--patient", action="store_true", help="go on waiting while a person is asked")
        wait.add_argument("--json", action="store_true", help="at the end print an object with exit_code")
        for verb, words in ACTIONS.items():
            action = verbs.add_parser(verb, help=words)
            action.add_argument("id", type=int)
            action.add_argument("--json", action="store_true", help=JSON)
            action.add_argument("--by", default="", help="who acts; default: the user of this process")
            action.add_argument("--reason", default="", help="why; stands in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["verb"]:
                case "apply" if options["dry_run"]:
                    self._dry_run(options)
                case "apply":
                    self._apply(options)
                case "list":
                    self._list(options["limit"], as_json=options["json"])
                case "status":
                    self._status(options["id"], as_json=options["json"])
                case "wait":
                    self._wait(options)
                case verb:
                    self._act(verb, options)
        except Refused as error:
            self._refuse(f"{error.field}: {error.why}")
        except (BadFile, WrongState) as error:
            self._refuse(str(error))

    def _apply(self, options: dict[str, Any]) -> None:
        document = declared.text(given_text(options["file"]), environment=os.environ)
        number = services.release(
            document=document, key=options["key"], by=_actor(options), now=timezone.now()
        )
        self._status(number, as_json=options["json"])

    def _dry_run(self, options: dict[str, Any]) -> None:
        document = declared.text(given_text(options["file"]), environment=os.environ)
        found = services.dry_run_release(document=document, key=options["key"], now=timezone.now())
        self.stdout.write(as_object(found) if options["json"] else "\n".join(lines(found)))

    def _list(self, limit: int, *, as_json: bool) -> None:
        rows = releases.releases(limit=limit)
        said = "\n".join(_line(row) for row in rows) or "no release yet"
        self.stdout.write(as_object(rows) if as_json else said)

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
        self._status(options["id"], as_json=options["json"])

    def _status(self, number: int, *, as_json: bool) -> None:
        row = releases.release(number)
        self.stdout.write(as_object(row) if as_json else _text(row))

    def _wait(self, options: dict[str, Any]) -> None:
        """Where an object is printed at the end, what happens until then goes to the standard error."""
        number, patient = options["id"], options["patient"]

        def look() -> tuple[str, int | None]:
            row = releases.release(number)
            return _text(row), release_exit_code(row.state, asks=row.asks, patient=patient)

        say = self.stderr.write if options["json"] else self.stdout.write
        code = until_decided(look, timeout=options["timeout"], say=say)
        if options["json"]:
            self.stdout.write(as_object(releases.release(number), exit_code=code))
        sys.exit(code)

    def _refuse(self, why: str) -> Any:
        self.stderr.write(why)
        sys.exit(REFUSED)


def _line(row: ReleaseRow) -> str:
    number, count = row.wave + 1, len(row.waves)
    at = f"{row.waves[row.wave].name}, {number} of {count}"
    asks = " A person is asked." if row.live and row.asks else ""
    return (
        f"release {row.id} ({row.key}) is {row.state.replace('_', ' ')} in wave {at},"
        f" begun by {row.created_by} at {row.created_at:%Y-%m-%d %H:%M} UTC. {row.reason}.{asks}"
    )


def _some(text: str) -> int:
    """How many, 1 to 1000. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise ArgumentTypeError(f"{text} is no number from 1 to 1000")
    return int(text)


def _text(row: ReleaseRow) -> str:
    said = [f"release {row.id} ({row.key}) is {row.state.replace('_', ' ')}. {row.reason}"]
    for wave in row.waves:
        mark = "*" if wave.current else " "
        said += [
            f"{mark} {wave.name}: {one.upstream} on {one.tier}/{one.route}, {one.state.replace('_', ' ')}"
            f" at {one.weight / 100:g} %, read back from {one.verified} of {one.proxies} proxies"
            + (f" ({one.problem})" if one.problem else "")
            for one in wave.members
        ]
    return "\n".join(said)


def _actor(options: dict[str, Any]) -> Actor:
    return Actor(options["by"] or getpass.getuser(), "cli")
