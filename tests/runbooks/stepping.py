"""A run of a team's own runbook, step by step, beside a service that it calls."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from unittest import mock

from django.db import connection

from outbound.errors import NotSent, Unanswered
from outbound.posting import Reply
from runbooks import selectors, services, texts
from runbooks.domain.definition import Definition
from runbooks.domain.writing import from_declaration, from_markdown
from runbooks.models import Act, Run
from runbooks.selectors import RunRow
from tests.runbooks.rig import Crash, Killed
from tests.runbooks.world import ANN, QUICK, START, World, world
from tests.runbooks.world import _measure as measured

SLUG = "own-storm"
TELL = {"do": "tell", "text": "Storm on $route: $names.retries."}
LOOKBACK = timedelta(seconds=10)
RETRY_OFF = {"do": "overlay", "patch": {"kind": "retry_off", "route": "$route"}}
URL = "http://127.0.0.1:1/do"


def webhook(name: str = "a", *, undo: bool = True, repeatable: bool = True, **more: Any) -> dict[str, Any]:
    step = {"do": "webhook", "url": URL, "secret": "ops", "repeatable": repeatable, "body": {"call": name}}
    return {**step, **({"undo": {"body": {"call": f"un-{name}"}}} if undo else {}), **more}


@dataclass
class Receiver:
    """A service that does a thing once a key where it is `keyed`, and fails as `mode` says.

    `before` and `after` are run in the middle of a call: before it has arrived, and when it was done.
    """

    mode: str = "ok"
    keyed: bool = True
    refuses: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    came: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    why: dict[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None

    def post(self, url: str, secret: str, content: Mapping[str, Any], **more: Any) -> Reply:
        """As `Outbound.post`."""
        self._now("before")
        if self.mode == "refused connection":
            raise NotSent("no answer: ConnectionRefusedError")
        key = more["delivery"]
        self.came[key] += 1
        what = content.get("call", content.get("instances"))
        self.why[more["delivery"]] = content["why"]
        if self.mode == "unavailable":
            return Reply(503, b"no")
        if self.mode == "refuse" or what in self.refuses:
            return Reply(403, b"no")
        if self.mode != "lost" and not (self.keyed and key in self.known):
            self.known.add(key)
            self.done.append(what)
        self._now("after")
        if self.mode in ("lost", "silent"):
            raise Unanswered("no answer: TimeoutError")
        return Reply(200, b"done")

    def _now(self, when: str) -> None:
        wanted = getattr(self, when)
        setattr(self, when, None)
        if wanted is not None:
            wanted()


@dataclass
class Stepping(World):
    """The world of `world`, with a receiver that is called after each round."""

    receiver: Any = field(default_factory=Receiver)

    def tick(self, seconds: float = 2) -> None:
        super().tick(seconds)
        self.send()

    def crash(self, at: int) -> None:
        """A round, of whose workers one is killed right after its `at`-th commit."""
        self.now += timedelta(seconds=2)
        crash = Crash(at)
        try:
            with connection.execute_wrapper(crash):
                services.tick(metrics=self.metrics, admin=self.admin, now=self.now)
                services.send(outbound=self.receiver, now=self.now)
        except Killed:
            pass
        connection.needs_rollback = False
        if self.acking:
            self.ack()

    def send(self) -> int:
        try:
            return services.send(outbound=self.receiver, now=self.now)
        except Killed:
            return 0

    def run(self) -> RunRow:
        row = selectors.run(Run.objects.filter(runbook=SLUG).values_list("pk", flat=True)[0])
        assert row is not None
        return row

    def states(self) -> list[str]:
        return list(Run.objects.filter(runbook=SLUG).values_list("state", flat=True))

    def acts(self) -> list[tuple[str, str, str]]:
        """Kind, phase and state of each act, in the order of their intents."""
        return list(Act.objects.order_by("pk").values_list("kind", "phase", "state"))

    def events(self) -> list[str]:
        return [step.event for step in self.run().steps]


S = TypeVar("S", bound=Stepping)


@contextmanager
def alone(slug: str = SLUG) -> Iterator[None]:
    """A tick looks by this runbook alone: those that come with Sluice would see nothing here."""

    def one() -> dict[str, Definition]:
        text = texts.library().get(slug)
        return {slug: text.definition} if text and text.definition else {}

    with mock.patch.object(texts, "automated", one):
        yield


def own(*steps: Mapping[str, Any], **changes: Any) -> Any:
    """The retry storm's definition as a team's own, with these steps."""
    library = from_markdown(SLUG, texts.built_in()["retry-storm"].raw)
    remedies = {"own": {"did": "it was done", "steps": list(steps)}}
    front = {**library.front, "cause": "own", "remedies": remedies, "remedy": "own", **changes}
    return from_declaration({"slug": SLUG, **front, "text": "Do it."})


def stepping(*steps: Mapping[str, Any], mode: str = "auto", **changes: Any) -> Stepping:
    """A quiet tier with a runbook of these steps."""
    return stepping_in(Stepping, *steps, mode=mode, **changes)


def stepping_in(kind: type[S], *steps: Mapping[str, Any], mode: str = "auto", **changes: Any) -> S:
    """The same in a world of another kind."""
    made = kind(**vars(world()))
    measured(made, LOOKBACK)
    made.metrics.otherwise([])
    services.declare(declared=[own(*steps, **changes)], by=ANN, reason="test", now=START)
    services.set_mode(runbook=SLUG, tier="edge", mode=mode, by=ANN, reason="", now=START)
    services.set_policy(runbook=SLUG, tier="edge", policy=QUICK, by=ANN, reason="", now=START)
    return made


def storming(*steps: dict[str, Any], **more: Any) -> Stepping:
    w = stepping(*steps, **more)
    w.storm()
    return w


def cancel(w: Stepping) -> None:
    services.cancel(run_id=w.run().id, by=ANN, reason="stop", now=w.now)


def dies() -> None:
    raise Killed
