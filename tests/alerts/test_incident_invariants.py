"""Whatever happens to incidents, in whatever order: what must hold after each step, and in the end."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerts import services
from alerts.domain.states import WrongState
from alerts.models import Alert, Episode, Incident, Outbox, Silence
from tests.alerts.factories import ANN, RUNBOOKS, at, brownout, clear, declare, storm

pytestmark = pytest.mark.django_db

FILE = """
receivers:
  second: {slack: "#on-call"}
  desk: {webhook: "https://desk.test/sluice", secret: desk}
notify: [{to: desk, of: [page, ticket]}]
escalation: [{after: 2m, to: second}]
"""
SHOP = {"tier": "edge", "route": "shop"}
BROWN = {"tier": "edge", "upstream": "shop-v1"}
Act = Callable[[float], Any]


def newest() -> int:
    return Incident.objects.latest("id").pk


def acknowledge(minute: float) -> None:
    services.acknowledge(incident_id=newest(), by=ANN, reason="mine", now=at(minute))


def resolve(minute: float) -> None:
    services.resolve(incident_id=newest(), by=ANN, reason="done", now=at(minute))


def silence(minute: float) -> None:
    until = at(minute + 3)
    services.silence(incident_id=newest(), until=until, by=ANN, reason="known", now=at(minute))


def mitigate(minute: float) -> None:
    services.mitigate(incident_id=newest(), by=RUNBOOKS, reason="retries off", now=at(minute))


def look(minute: float) -> None:
    services.expire_silences(now=at(minute))
    services.watch(now=at(minute))


def look_twice(minute: float) -> None:
    look(minute)
    look(minute)


ACTS: dict[str, Act] = {
    "storm": lambda minute: storm(now=at(minute)),
    "storm as a ticket": lambda minute: storm(now=at(minute), severity="ticket"),
    "storm ends": lambda minute: clear("retry-storm", SHOP, now=at(minute)),
    "brownout": lambda minute: brownout(now=at(minute)),
    "brownout ends": lambda minute: clear("brownout", BROWN, now=at(minute)),
    "acknowledge": acknowledge,
    "resolve": resolve,
    "silence": silence,
    "mitigate": mitigate,
    "look": look,
    "look twice": look_twice,
}


def act(name: str, minute: float) -> None:
    """What the present state does not allow, or what there is nothing of, changes nothing."""
    before = list(Incident.objects.values_list("pk", "version", "state"))
    try:
        ACTS[name](minute)
    except (WrongState, Incident.DoesNotExist):
        assert list(Incident.objects.values_list("pk", "version", "state")) == before


def check() -> None:
    """After each step."""
    calls = Outbox.objects.filter(key__contains="/page/").values_list("key", flat=True)
    assert not [key for key, number in Counter(calls).items() if number > 1]
    for found in Incident.objects.all():
        firing = found.alerts.filter(state="FIRING").count()
        assert (found.state == "RESOLVED") == (firing == 0)
        assert (found.resolved_at is not None) == (found.state == "RESOLVED")
        assert found.state == "OPEN" or found.escalates_at is None
        assert found.explained_by_id is None or found.escalates_at is None
        assert bool(found.acked_at) >= (found.state == "ACKED")


def told(found: Incident) -> bool:
    """Whether people heard of what fires in it now, and not only of what fired before."""
    newest = found.alerts.filter(state="FIRING").latest("first_seen")
    return found.messages.filter(kind="FIRING", created_at__gte=newest.first_seen).exists()


@given(names=st.lists(st.sampled_from(sorted(ACTS)), max_size=14))
@example(names=["storm", "silence", "storm ends", "storm"])
@example(names=["storm", "brownout", "look", "brownout ends"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_nobody_is_called_twice_and_nothing_stays_untold(
    names: list[str], settings: Any, tmp_path: Path
) -> None:
    declare(settings, tmp_path, FILE)
    for table in (Outbox, Alert, Episode, Silence, Incident):
        table.objects.all().delete()
    for minute, name in enumerate(names):
        act(name, minute)
        check()

    # Once silences are over and everybody has looked, all that is open was told, or stands with what was.
    for minute in (100, 101, 102, 110):
        look(minute)
    for found in Incident.objects.open():
        assert not found.untold or found.explained_by_id
        assert told(found) or found.explained_by is not None
        assert found.explained_by is None or found.explained_by.state != "RESOLVED"
        if found.state == "OPEN" and found.severity == "page" and found.explained_by_id is None:
            assert found.messages.filter(key=f"incident/{found.pk}/page/{found.pages}/second").exists()
