"""A runbook that cannot look at a tier: somebody hears it, and everything else goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

import alerts.selectors
from runbooks import selectors, texts
from runbooks.services import detecting, measuring
from tests.runbooks.test_hanging import NAMES, six
from tests.runbooks.world import World, world

pytestmark = pytest.mark.django_db


@contextmanager
def blind(slug: str, tier: str) -> Iterator[None]:
    """Looking fails for this runbook on this tier."""
    sees: Callable[..., Any] = measuring.measure

    def measure(answers: Any, **asked: Any) -> Any:
        if answers.tier == tier and asked["definition"].title == texts.text(slug).title:
            raise ArithmeticError("out of range")
        return sees(answers, **asked)

    with mock.patch.object(detecting, "measure", measure):
        yield


def told() -> list[str]:
    return [row.title for row in alerts.selectors.open_incidents() if row.family == "automation"]


def looked(w: World) -> set[tuple[str, str]]:
    """Who looked at what in the last round."""
    return {(row.runbook, row.tier) for row in selectors.detections() if row.at == w.now}


def test_a_ticket_says_so_until_it_looks_again_and_all_others_go_on() -> None:
    w = six(world())
    everything = {(slug, name) for slug in texts.automated() for name in NAMES}
    with blind("retry-storm", "edge-c"):
        w.ticks(2)
        assert looked(w) == everything - {("retry-storm", "edge-c")}
        (incident,) = alerts.selectors.open_incidents()
        assert (incident.severity, incident.tier) == ("ticket", "edge-c")
        assert incident.title == "retry-storm cannot look at edge-c: ArithmeticError: out of range"
    w.tick()
    assert looked(w) == everything
    assert told() == []


def test_a_runbook_that_nobody_has_any_more_is_not_told_of() -> None:
    w = world()
    with blind("retry-storm", "edge"):
        w.ticks(2)
        assert len(told()) == 1
        found = {slug: each for slug, each in texts.automated().items() if slug != "retry-storm"}
        with mock.patch.object(texts, "automated", return_value=found):
            w.tick()
    assert told() == []
