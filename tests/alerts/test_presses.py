"""Presses over the wire: the lab's Slack presses a button, by a signed request and by Socket Mode.

Real processes: the web server, `manage.py slack`, the receiver. One contract for both ways in.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from slack_sdk.socket_mode import SocketModeClient

from alerts import slack, socket_mode
from tests.support.elsewhere import Elsewhere, elsewhere
from tests.support.processes import free_port, started, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

BIN = Path(sys.executable).parent
SECONDS = 8
ACKNOWLEDGE = "incident.acknowledge"
PORTS = ("SLUICE_WEB_PORT", "LAB_RECEIVER_PORT", "LAB_SOCKET_PORT")
WAYS = ("http", "socket")
MODES = ("rate_limited", "unavailable", "error", "drop", "hang")


@dataclass
class World:
    """Sluice with its two doors, and the lab's Slack."""

    ports: dict[str, int]
    there: Elsewhere
    start_slack: Callable[[], subprocess.Popen[bytes]]
    slack: subprocess.Popen[bytes]
    fired: int = 0
    now: float = 0.0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports['LAB_RECEIVER_PORT']}{path}"

    def lab(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        found: dict[str, Any] = requests.request(method, self.url(path), json=body, timeout=SECONDS).json()
        return found

    def fresh(self) -> int:
        """A new incident that was told in an empty channel."""
        self.mode("ok")
        self.lab("DELETE", "/messages")
        self.call("clear")
        self.fired, self.now = self.fired + 1, 0
        number = int(self.call("fire", route=f"route-{self.fired}"))
        self.deliver()
        return number

    def call(self, name: str, **given: Any) -> Any:
        return self.there.call(f"tests.alerts.places.{name}", **given)

    def deliver(self, rounds: int = 1) -> None:
        """So many rounds of sending, each far enough from the one before that nothing waits any more."""
        for _ in range(rounds):
            self.now += 130
            self.call("deliver", seconds=self.now)

    def mode(self, mode: str) -> None:
        assert self.lab("POST", "/mode", mode=mode) == {"mode": mode}

    def press(self, via: str, user: str = "U1ANN", **more: Any) -> dict[str, Any]:
        return self.lab("POST", "/press", action=ACKNOWLEDGE, user=user, via=via, **more)

    def connected(self) -> bool:
        return bool(self.lab("GET", "/sockets")["sockets"])

    def ready(self) -> bool:
        """The web process has answered, so that it is warm, and presses would arrive by Socket Mode."""
        web = requests.get(f"http://127.0.0.1:{self.ports['SLUICE_WEB_PORT']}/healthz", timeout=SECONDS)
        return web.ok and self.connected()

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.lab("GET", "/messages")["messages"]
        return found

    def whispers(self) -> list[str]:
        return [str(each["text"]) for each in self.lab("GET", "/whispers")["whispers"]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("presses")
    ports = {name: free_port() for name in PORTS}
    receiver = f"http://127.0.0.1:{ports['LAB_RECEIVER_PORT']}"
    environment = {
        **{name: str(port) for name, port in ports.items()},
        "DATABASE_URL": f"sqlite:///{folder}/sluice.sqlite3",
        "SLUICE_VAR": str(folder),
        "SLUICE_SECRET_KEY": "tests",
        "SLUICE_LAB_RECEIVER_URL": receiver,
        "SLUICE_SLACK_SIGNING_SECRET": "8f742231b10e8888abcd99yyyzzz85a5",
        "SLUICE_SLACK_APP_TOKEN": "xapp-tests",
    }
    programs = {
        "lab": [sys.executable, "-m", "lab.receiver"],
        "web": [
            str(BIN / "gunicorn"),
            "config.wsgi",
            f"--bind=127.0.0.1:{ports['SLUICE_WEB_PORT']}",
            "--threads=4",
            "--no-control-socket",
        ],
    }
    with ExitStack() as stack:

        def start_slack() -> subprocess.Popen[bytes]:
            argv = [sys.executable, "manage.py", "slack"]
            return stack.enter_context(started(argv, env=environment, log=folder / "slack.log"))

        for name, argv in programs.items():
            stack.enter_context(started(argv, env=environment, log=folder / f"{name}.log"))
        there = stack.enter_context(elsewhere(environment, log=folder / "there.log"))
        made = World(ports, there, start_slack, start_slack())
        made.call("prepare")
        wait_until(made.ready, timeout=90, what="web and Socket Mode")
        yield made


@pytest.fixture(params=WAYS)
def via(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_press_is_acknowledged_done_and_shown(world: World, via: str) -> None:
    number = world.fresh()
    before = len(world.call("acknowledged"))

    answer = world.press(via)
    assert (answer["acknowledged"], answer["via"]) == (True, via)
    assert answer["seconds"] < 3
    assert world.call("state", number=number) == "ACKED"
    assert world.call("acknowledged")[before:] == [["ann", "slack"]]

    world.deliver()
    (message,) = world.messages()
    assert message["text"].startswith("Acked: ")
    assert ACKNOWLEDGE not in str(message["blocks"])
    assert (
        world.whispers()[-1] == f"Incident {number} is acknowledged: you have it. Runbooks and alerts go on."
    )


@pytest.mark.parametrize("user", ["U9EVE", "U3VIC"])
def test_whoever_may_not_is_acknowledged_and_told_so(world: World, via: str, user: str) -> None:
    number = world.fresh()
    assert world.press(via, user=user)["acknowledged"]
    world.deliver()
    said = {"U9EVE": "linked to nobody here", "U3VIC": "takes the role operator, and vic has viewer"}[user]
    assert said in world.whispers()[-1]
    assert world.call("state", number=number) == "OPEN"


# Each hang takes the whole of a real chat's timeout.
FAILING = [(way, mode) for way in WAYS for mode in MODES if (way, mode) != ("socket", "hang")]


@pytest.mark.parametrize(("way", "mode"), FAILING)
def test_however_slack_fails_a_press_counts_once_and_is_shown_in_the_end(
    world: World, way: str, mode: str
) -> None:
    number = world.fresh()
    before, said = len(world.call("acknowledged")), len(world.whispers())
    pressed = world.messages()[0]
    world.mode(mode)
    answer = world.press(way)
    assert answer["acknowledged"]
    assert answer["seconds"] < 3
    assert world.call("state", number=number) == "ACKED"
    world.deliver()
    world.mode("ok")
    world.deliver(3)

    assert len(world.call("acknowledged")) == before + 1
    (message,) = world.messages()
    assert message["ts"] == pressed["ts"]
    assert message["text"].startswith("Acked: ")
    assert len(world.whispers()) == said + 1
    assert {row["state"] for row in world.call("rows")} == {"SENT"}


def test_an_envelope_that_comes_again_is_acknowledged_and_does_nothing(world: World) -> None:
    world.fresh()
    before = len(world.call("acknowledged"))
    answers = [world.press("socket", envelope="again") for _ in range(2)]
    assert [answer["acknowledged"] for answer in answers] == [True, True]
    assert len(world.call("acknowledged")) == before + 1


def test_a_process_that_dies_in_a_press_has_done_nothing_and_the_next_one_does_it_once(world: World) -> None:
    number = world.fresh()
    before = len(world.call("acknowledged"))
    world.call("lock", seconds=4)
    pressing = threading.Thread(target=lambda: world.press("socket", envelope="dies"))
    pressing.start()
    wait_until(lambda: world.lab("GET", "/sockets")["waiting"] == 1, timeout=3, what="the envelope")
    world.slack.kill()
    world.slack = world.start_slack()
    pressing.join(SECONDS)
    assert world.call("state", number=number) == "OPEN"

    wait_until(world.connected, timeout=40, what="the next process")
    answers = [world.press("socket", envelope="dies") for _ in range(2)]
    assert [answer["acknowledged"] for answer in answers] == [True, True]
    assert world.call("state", number=number) == "ACKED"
    assert len(world.call("acknowledged")) == before + 1


def test_pressed_at_once_by_both_ways_it_counts_once(world: World) -> None:
    number = world.fresh()
    before, said = len(world.call("acknowledged")), len(world.whispers())
    answers: list[dict[str, Any]] = []
    both = [threading.Thread(target=lambda via=via: answers.append(world.press(via))) for via in WAYS * 3]
    for one in both:
        one.start()
    for one in both:
        one.join(SECONDS)
    assert [answer["acknowledged"] for answer in answers] == [True] * 6
    assert world.call("state", number=number) == "ACKED"
    assert len(world.call("acknowledged")) == before + 1
    world.deliver()
    words = world.whispers()[said:]
    assert len([each for each in words if each.endswith("Runbooks and alerts go on.")]) == 1
    assert len([each for each in words if "ann pressed this at" in each]) == 5


def test_while_the_database_is_busy_nothing_is_done_and_the_person_knows_in_time(
    world: World, via: str
) -> None:
    number = world.fresh()
    world.call("lock", seconds=3.5)
    answer = world.press(via)
    assert answer["seconds"] < 3
    assert answer["status"] == {"http": 503, "socket": 200}[via]
    assert world.call("state", number=number) == "OPEN"
    if via == "socket":
        wait_until(
            lambda: world.whispers()[-1].startswith("Nothing was done: Sluice is busy"),
            timeout=5,
            what="the word",
        )

    def counts() -> bool:
        return bool(world.press(via)["acknowledged"]) and world.call("state", number=number) == "ACKED"

    wait_until(counts, timeout=15, what="a press that counts")


@pytest.mark.parametrize("how", ["refresh", "cut"])
def test_a_connection_that_ends_is_made_anew(world: World, how: str) -> None:
    number = world.fresh()
    world.lab("POST", f"/sockets/{how}")
    wait_until(
        lambda: world.connected() and world.press("socket")["acknowledged"],
        timeout=20,
        what="a new connection",
    )
    assert world.call("state", number=number) == "ACKED"


@pytest.mark.django_db
@pytest.mark.parametrize("mode", MODES)
def test_while_slack_gives_no_connection_it_is_tried_again(world: World, mode: str) -> None:
    web = slack.web_client(world.url("/api/"), timeout=1)
    client = SocketModeClient(app_token="xapp-tests", web_client=web, ping_interval=60)
    released = threading.Timer(0.3, world.mode, ["ok"]) if mode == "rate_limited" else None
    world.mode(mode)
    try:
        if released is not None:
            # The SDK itself waits as long as it is told, and tries again.
            released.start()
        else:
            assert not socket_mode._connected(client)
            world.mode("ok")
        assert socket_mode._connected(client)
    finally:
        client.close()


def test_the_token_is_in_no_log(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    logs = [path for path in tmp_path_factory.getbasetemp().glob("presses*/*.log") if os.path.getsize(path)]
    assert [
        path.name for path in logs if "xapp-tests" in path.read_text() or "ticket=" in path.read_text()
    ] == []
