"""The running system as its user and the lab's operator reach it: over HTTP, from outside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from lab.ports import DEFAULTS
from lab.stack import Stack
from tests.support.processes import free_port, wait_until

SECONDS = 10.0


@dataclass(frozen=True)
class Running:
    """A stack that is up."""

    stack: Stack

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """One call of the JSON API as the first administrator."""
        return requests.request(
            method,
            self.stack.place.url("SLUICE_WEB_PORT", f"/api/v1/{path}"),
            json=body,
            headers={"Authorization": f"Bearer {self.stack.token}"},
            timeout=SECONDS,
        )

    def get(self, path: str) -> Any:
        answer = self.api("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.api("POST", path, body or {})
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json()

    def lab(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call of the lab's control port."""
        url = self.stack.place.url("LAB_CONTROL_PORT", path)
        answer = requests.request(method, url, json=body, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def break_backend(self, name: str, **fault: Any) -> None:
        """Through Sluice's own API, as its page does."""
        self.post("lab/faults", {"backend": name, **fault})

    def heal(self) -> None:
        self.lab("DELETE", "/faults")

    def counts(self, backend: str) -> dict[str, Any]:
        counts: dict[str, Any] = self.lab("GET", "/counts")["counts"][backend]
        return counts

    def messages(self) -> list[dict[str, Any]]:
        """What the Slack-shaped receiver got, oldest first."""
        answer = requests.get(self.stack.place.url("LAB_RECEIVER_PORT", "/messages"), timeout=SECONDS)
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    def press(self, action: str) -> dict[str, Any]:
        """As a linked operator in Slack: the newest button of this action, once a message shows it."""
        url = self.stack.place.url("LAB_RECEIVER_PORT", "/press")
        self.stack.manage("slack", "link", "U0LAB", "admin")

        def pressed() -> dict[str, Any]:
            answer = requests.post(url, json={"action": action, "user": "U0LAB"}, timeout=SECONDS)
            return dict(answer.json()) if answer.ok else {}

        return wait_until(pressed, timeout=30, what=f"a message with a button {action}")

    def rollout(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"rollouts/{number}")
        return found

    def wait_rollout(self, number: int, *states: str, timeout: float) -> dict[str, Any]:
        """The rollout, once it is in one of the states."""

        def reached() -> dict[str, Any] | None:
            rollout = self.rollout(number)
            return rollout if rollout["state"] in states else None

        found = wait_until(reached, timeout=timeout, what=f"rollout {number} in {' or '.join(states)}")
        assert found is not None
        return found

    def prometheus(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """Straight from Prometheus, past Sluice."""
        url = self.stack.place.url("SLUICE_PROMETHEUS_PORT", "/api/v1/query")
        answer = requests.get(url, params={"query": promql}, timeout=SECONDS).json()
        return [(item["metric"], float(item["value"][1])) for item in answer["data"]["result"]]

    def page(self, path: str) -> str:
        """A page's HTML as the first administrator gets it, without JavaScript."""
        url = self.stack.place.url("SLUICE_WEB_PORT")
        password = (self.stack.place.var / "admin-password").read_text().strip()
        with requests.Session() as session:
            session.get(f"{url}/login/", timeout=SECONDS)
            form = {
                "username": "admin",
                "password": password,
                "csrfmiddlewaretoken": session.cookies["csrftoken"],
            }
            session.post(f"{url}/login/", data=form, timeout=SECONDS)
            answer = session.get(f"{url}{path}", timeout=SECONDS)
        assert answer.status_code == 200, path
        return answer.text

    def wait_traffic(self) -> None:
        """Until Prometheus has seen a few seconds of the lab's mix on both proxies."""

        def flows() -> bool:
            found = self.prometheus('sum by (proxy) (rate(envoy_sluice_rq{route="shop"}[10s])) > 20')
            return len(found) == 2

        wait_until(flows, timeout=60, what="shop traffic through both proxies")


def free_ports() -> dict[str, str]:
    """Every port of the local system on a free one, as its environment."""
    return {name: str(free_port()) for name in DEFAULTS}


@contextmanager
def running(var: Path, *, load: bool = True, **environment: str) -> Iterator[Running]:
    """The whole system on free ports, its state under `var`, for the length of the block."""
    given = {**free_ports(), **environment}
    # What pytest-django set for the tests' own process is not the system's business.
    for name in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE"):
        given.setdefault(
            name, "config.settings" if name == "DJANGO_SETTINGS_MODULE" else f"sqlite:///{var}/sluice.sqlite3"
        )
    lines: list[str] = []
    with Stack(environment={**os.environ, **given}, var=var, load=load, say=lines.append) as stack:
        system = Running(stack)
        if load:
            system.wait_traffic()
        yield system
