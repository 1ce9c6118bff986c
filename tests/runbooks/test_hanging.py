"""A Prometheus that hangs, and a task whose time ends: what acts is taken back all the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest import mock

import pytest
from celery.exceptions import SoftTimeLimitExceeded

import proxy.services
from runbooks import selectors, services
from runbooks.models import Run
from runbooks.services import detecting
from telemetry.domain.errors import QueryTimeout
from telemetry.domain.series import Sample
from telemetry.memory import InMemoryMetrics
from tests.proxy.factories import document
from tests.runbooks.world import ANN, START, World, holding, world

pytestmark = pytest.mark.django_db
# What one question that is never answered takes: the timeout, and connecting.
HANGS = 5.5
# The task's soft limit; at the hard one, 10 s later, the worker is killed.
SOFT = 20.0


@dataclass
class Hanging(InMemoryMetrics):
    """Burns its clock at every question; past `ends` the task is told that its time is over."""

    seconds: float = 0.0
    ends: float = SOFT
    tiers: set[str] = field(default_factory=set)

    def vector(self, promql: str, *, at: datetime) -> tuple[Sample, ...]:
        self.seconds += HANGS
        self.tiers |= {name for name in NAMES if f'"{name}"' in promql}
        if self.seconds > self.ends:
            raise SoftTimeLimitExceeded
        raise QueryTimeout("no answer")


NAMES = ("edge", *(f"edge-{letter}" for letter in "bcdef"))


def six(w: World) -> World:
    """Five tiers more, of the same shape."""
    for name in NAMES[1:]:
        declaration = document()
        (tier,) = declaration["tiers"]
        declaration["tiers"] = [{**tier, "name": name, "proxies": _renamed(tier["proxies"], name)}]
        proxy.services.apply(document=declaration, by=ANN, reason="one more", now=START)
    return w


def _renamed(proxies: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [{**each, "name": f"{name}-{number}"} for number, each in enumerate(proxies)]


def hang(w: World, metrics: Hanging, rounds: int, seconds: float = 3) -> None:
    """Rounds in which Prometheus never answers; the proxies go on acknowledging."""
    for _ in range(rounds):
        metrics.seconds = 0.0
        w.tick_by(metrics, lambda: metrics.seconds, seconds)


def killed(w: World) -> None:
    services.set_kill_switch(on=True, by=ANN, reason="", now=w.now)


def cancelled(w: World) -> None:
    services.cancel(run_id=w.run().id, by=ANN, reason="stop", now=w.now)


def expired(w: World) -> None:
    w.now = w.run().overlay_expires_at or w.now


@pytest.mark.parametrize(
    ("happens", "ends"), [(killed, "FAILED_REVERTED"), (cancelled, "CANCELLED"), (expired, "SUCCEEDED")]
)
def test_what_acts_is_taken_back_while_prometheus_hangs(happens: Callable[[World], None], ends: str) -> None:
    w = six(holding())
    happens(w)
    hang(w, Hanging(), 2)
    assert w.states() == [ends]
    assert w.live() == []


def test_a_round_of_six_tiers_ends_in_time_and_looks_at_others_first_each_round() -> None:
    w, metrics = six(world()), Hanging()
    hang(w, metrics, 1)
    assert metrics.seconds == 2 * HANGS
    assert len(metrics.tiers) == 2
    hang(w, metrics, 2 * len(NAMES))
    assert metrics.tiers == set(NAMES)
    said = {row.why for row in selectors.detections()}
    assert said == {"no data: no answer", "no data: not asked: what was asked before took 11 s"}


def test_a_run_that_holds_stays_while_prometheus_hangs() -> None:
    w = six(holding())
    hang(w, Hanging(), 3)
    assert w.states() == ["HOLDING"]


def test_the_end_of_the_tasks_time_is_not_swallowed_and_comes_after_what_was_to_be_taken_back() -> None:
    w = holding()
    killed(w)
    with pytest.raises(SoftTimeLimitExceeded):
        w.tick_by(Hanging(ends=0.0), lambda: 0.0)
    assert w.live() == []
    assert not Run.objects.exclude(claim_token="").exists()


@pytest.mark.parametrize("where", ["look", "of", "take_back", "advance"])
def test_nowhere_is_it_swallowed(where: str) -> None:
    w = holding()
    ends = mock.Mock(side_effect=SoftTimeLimitExceeded)
    targets: dict[str, Any] = {
        "look": mock.patch.object(detecting, "look", ends),
        "of": mock.patch("runbooks.services.seeing.kept_by", ends),
        "take_back": mock.patch("runbooks.services.conducting.take_back", ends),
        "advance": mock.patch("runbooks.services.conducting.advance", ends),
    }
    with targets[where], pytest.raises(SoftTimeLimitExceeded):
        w.tick()
    assert not Run.objects.exclude(claim_token="").exists()
