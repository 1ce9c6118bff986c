"""Two presses of one button at the same moment: one counts. And a press whose incident somebody holds."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction

import audit.selectors
from alerts import interactions, services
from alerts.domain.interaction import Interaction
from alerts.interactions import Outcome
from alerts.models import Incident, SeenRequest
from audit.domain.actor import automation
from tests.alerts.pressing import linked, shown
from tests.support.processes import wait_until
from tests.support.rivals import Rival, two_writers

pytestmark = [two_writers, pytest.mark.django_db(transaction=True)]

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
ACKNOWLEDGE = "incident.acknowledge"
# Long enough for both to be seen waiting on a busy machine.
PATIENT = timedelta(seconds=8)


@pytest.fixture
def incident() -> int:
    linked()
    linked(name="bob", slack_id="U2BOB")
    return services.signal(
        rule="canary-failed",
        labels={"tier": "edge", "route": "shop"},
        severity="page",
        originator="backend",
        summary="shop fails",
        numbers={},
        action="",
        runbook="canary-rolled-back",
        cause="canary",
        by=automation("judge"),
        now=NOW,
    )


class Presser(Rival):
    """Presses on a connection of its own, and keeps what came of it."""

    def __init__(self, slack_id: str, nonce: str, seen: str, *, patience: timedelta = PATIENT) -> None:
        super().__init__(self._press)
        self._given = Interaction(slack_id, ACKNOWLEDGE, nonce, "")
        self._seen, self._patience = seen, patience
        self.came: list[Outcome] = []
        self.seconds = 0.0

    def _press(self) -> None:
        began = time.monotonic()
        try:
            self.came.append(
                interactions.receive(self._given, seen=self._seen, now=NOW, patience=self._patience)
            )
        finally:
            self.seconds = time.monotonic() - began


def until_both_wait() -> None:
    def two() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0] == 2)

    wait_until(two, timeout=8, what="both to wait")


def at_once(incident: int, first: Presser, second: Presser) -> list[Exception | None]:
    """Both under way: the first holds the button and waits for the incident, the second for the first."""
    with transaction.atomic():
        Incident.objects.select_for_update().get(pk=incident)
        first.start()
        first.until_it_waits()
        second.start()
        until_both_wait()
    return [first.ended(), second.ended()]


def test_of_two_at_once_one_counts(incident: int) -> None:
    nonce = shown(ACKNOWLEDGE)["value"]
    first, second = Presser("U1ANN", nonce, "a"), Presser("U2BOB", nonce, "b")
    assert at_once(incident, first, second) == [None, None]
    assert first.came[0].done
    assert second.came[0].words == "Nothing was done: ann pressed this at 03:00:00 UTC."
    assert len(audit.selectors.entries(action="incident.acked")) == 1


def test_one_request_that_comes_twice_at_once_is_taken_once(incident: int) -> None:
    nonce = shown(ACKNOWLEDGE)["value"]
    first, second = Presser("U1ANN", nonce, "a"), Presser("U1ANN", nonce, "a")
    errors = at_once(incident, first, second)
    assert (errors[0], type(errors[1])) == (None, interactions.Replayed)
    assert len(audit.selectors.entries(action="incident.acked")) == 1


def test_what_is_held_too_long_is_given_up_in_time_and_counts_for_nothing(incident: int) -> None:
    nonce = shown(ACKNOWLEDGE)["value"]
    late = Presser("U1ANN", nonce, "a", patience=interactions.PATIENCE)
    with transaction.atomic():
        Incident.objects.select_for_update().get(pk=incident)
        late.start()
        assert isinstance(late.ended(), OperationalError)
    assert late.seconds < 3
    assert not SeenRequest.objects.exists()

    again = Presser("U1ANN", nonce, "a")
    again.start()
    assert again.ended() is None
    assert again.came[0].done
