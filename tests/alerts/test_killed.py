"""Workers killed at random while 200 changes are told to a Slack that fails at random: none lost, none doubled.

Real processes and SIGKILL. Their clock runs ten times as fast, so that a claim is dead after 4.5 s; the chat's
timeout is shorter in the same measure.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.elsewhere import Elsewhere, elsewhere
from tests.support.processes import wait_until
from tests.support.slack import Mode, SlackServer, slack_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

CHANGES, WORKERS, SPEED = 200, 3, 10.0
PACE_SECONDS, KILL_SECONDS, SETTLE_SECONDS = 0.06, 0.2, 40
# A third of the calls fail, in every way in which Slack does.
FATES: dict[Mode, int] = {"ok": 60, "429": 8, "500": 10, "drop": 12, "lost": 10}


def slack_of_bad_luck(server: SlackServer, dice: random.Random) -> None:
    """Each call has a fate of its own, and takes a moment: time enough to be killed in."""

    def fate() -> Mode:
        time.sleep(dice.uniform(0, 0.06))  # a slow Slack; nothing is waited for
        return dice.choices(list(FATES), list(FATES.values()))[0]

    server.retry_after = 2
    server.choose = fate


class Workers:
    """A few processes that send; the killed one is replaced, as a supervisor does."""

    def __init__(self, there: Elsewhere, url: str, began: float) -> None:
        self._there, self._given = there, {"url": url, "began": began, "speed": SPEED}
        self.running = [self._start() for _ in range(WORKERS)]
        self.kills = 0

    def _start(self) -> int:
        return int(self._there.call("tests.alerts.places.worker", **self._given))

    def kill(self, place: int) -> None:
        os.kill(self.running[place], signal.SIGKILL)
        self.kills += 1
        self.running[place] = self._start()

    def end(self) -> None:
        for pid in self.running:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": f"sqlite:///{tmp_path}/sluice.sqlite3",
        "SLUICE_VAR": str(tmp_path),
        "SLUICE_SECRET_KEY": "tests",
        "SLUICE_LOG_LEVEL": "ERROR",
    }


@pytest.fixture
def places(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Elsewhere, Elsewhere]]:
    """Where workers are started from, and where the state changes."""
    with (
        elsewhere(environment, log=tmp_path / "workers.log") as workers,
        elsewhere(environment, log=tmp_path / "changes.log") as changes,
    ):
        changes.call("tests.alerts.places.prepare")
        yield workers, changes


def test_no_message_is_lost_or_doubled_whoever_dies_and_however_slack_fails(
    places: tuple[Elsewhere, Elsewhere], record_property: Any
) -> None:
    seed = random.randrange(1 << 32)
    dice, began = random.Random(seed), time.time()
    with slack_server() as server:
        slack_of_bad_luck(server, dice)
        workers = Workers(places[0], server.url, began)
        try:
            states = kill_at_random(places[1], workers, dice, began)
            server.choose = None
            rows = settled(places[1])
        finally:
            workers.end()
    record_property("seed", seed)
    record_property("kills", workers.kills)
    posts = [row for row in rows if row["op"] == "post"]
    arrived = Counter(key_of(message) for message in server.messages)

    assert workers.kills >= 40
    assert [key for key, times in arrived.items() if times > 1] == [], f"doubled (seed {seed})"
    assert set(arrived) == {row["key"] for row in posts}, f"lost (seed {seed})"
    assert {row["state"] for row in rows} == {"SENT"}, f"not settled (seed {seed})"
    assert first_messages(server) == states, f"out of date (seed {seed})"


def kill_at_random(changes: Elsewhere, workers: Workers, dice: random.Random, began: float) -> dict[str, str]:
    """One kill after another until all changes are made; the state in which each route's incident ended."""
    given = {"count": CHANGES, "began": began, "speed": SPEED, "every": PACE_SECONDS}
    states: dict[str, str] = {}
    changing = threading.Thread(
        target=lambda: states.update(changes.call("tests.alerts.places.change", **given))
    )
    changing.start()
    while changing.is_alive():
        time.sleep(dice.uniform(0, 2 * KILL_SECONDS))  # when the next one dies
        workers.kill(dice.randrange(WORKERS))
    return states


def settled(changes: Elsewhere) -> list[dict[str, Any]]:
    """Every row, once none is under way or still looked for."""

    def all_settled() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = changes.call("tests.alerts.places.rows")
        return [] if any(row["state"] != "SENT" for row in rows) else rows

    return wait_until(all_settled, timeout=SETTLE_SECONDS, every=0.3, what="every row to be SENT")


def key_of(message: dict[str, Any]) -> str:
    return str(message["metadata"]["event_payload"]["key"])


def first_messages(server: SlackServer) -> dict[str, str]:
    """What the first message of each incident says of its state, by route."""
    found: dict[str, str] = {}
    for message in server.messages:
        if not message.get("thread_ts") and key_of(message).startswith("alert/"):
            route = message["blocks"][1]["fields"][1]["text"].rpartition("\n")[2]
            word = message["text"].partition(":")[0].upper()
            found[route] = word if word in ("ACKED", "MITIGATED", "RESOLVED") else "OPEN"
    return found
