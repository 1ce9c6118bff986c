"""A condition fires once it has held for a while, and is over once it has been gone for a while."""

from datetime import timedelta
from typing import Any

import pytest

from alerts import selectors, services
from alerts.models import Alert, Incident
from tests.alerts.factories import RUNBOOKS, at, posts

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def see(seen: Any, minutes: float) -> int | None:
    return services.observe(
        seen=seen,
        pending_for=MINUTE,
        keep_for=2 * MINUTE,
        why="it is well",
        rule="lag",
        labels={"part": "outbox"},
        severity="page",
        originator="unknown",
        summary="messages wait",
        numbers={},
        action="",
        runbook="",
        cause="automation",
        by=RUNBOOKS,
        now=at(minutes),
    )


def state() -> str:
    return Alert.objects.latest("id").state


def test_what_holds_for_a_moment_never_fires_and_tells_nobody() -> None:
    assert [see("bad", 0), see("bad", 0.9), see("good", 1)] == [None, None, None]
    assert (state(), Incident.objects.count(), posts()) == ("RESOLVED", 0, [])
    (row,) = selectors.alerts(state="RESOLVED")
    assert (row.incident_id, row.why_resolved) == (None, "over before it fired: it is well")


def test_what_holds_long_enough_fires_and_says_since_when() -> None:
    see("bad", 0)
    assert selectors.alerts(state="PENDING")[0].labels == {"part": "outbox"}
    assert see("bad", 1) is not None
    alert = Alert.objects.get()
    assert (alert.state, alert.first_seen, len(posts())) == ("FIRING", at(0), 1)


def test_what_is_gone_for_a_moment_goes_on_firing() -> None:
    for minute, seen in enumerate(["bad", "bad", "good", "good", "bad", "good", "good"]):
        see(seen, minute)
    assert (state(), Incident.objects.get().flaps) == ("FIRING", 0)
    see("good", 7)
    assert (state(), Incident.objects.get().state) == ("RESOLVED", "RESOLVED")


def test_what_is_not_known_neither_fires_nor_ends_anything() -> None:
    see("bad", 0)
    assert see("unknown", 5) is None
    assert state() == "PENDING"
    assert see("bad", 5.5) is None
    number = see("bad", 6.5)
    assert see("unknown", 20) == number
    assert state() == "FIRING"


def test_a_condition_that_ends_and_begins_again_waits_anew() -> None:
    see("bad", 0)
    see("good", 0.5)
    see("bad", 0.9)
    assert see("bad", 1.5) is None
    assert see("bad", 1.9) is not None


def test_what_nobody_looked_at_meanwhile_waits_anew() -> None:
    see("bad", 0)
    assert see("bad", 30) is None
    assert see("bad", 30.5) is None
    assert see("bad", 31) is not None


def test_without_a_wait_it_fires_at_once() -> None:
    number = services.observe(
        seen="bad",
        pending_for=timedelta(0),
        keep_for=timedelta(0),
        why="",
        rule="lag",
        labels={"part": "outbox"},
        severity="page",
        originator="unknown",
        summary="messages wait",
        numbers={},
        action="",
        runbook="",
        cause="automation",
        by=RUNBOOKS,
        now=at(0),
    )
    assert Incident.objects.get().pk == number
