"""Each message of an incident: tier, route, originator, numbers, what the machine did, the runbook's link."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from alerts import services
from runbooks import texts
from tests.alerts.test_services import ANN, JUDGE, NOW, clear, fire, posts

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]


def say(kind: services.Kind, number: int) -> None:
    services.tell(key=f"a/{kind}", kind=kind, incident_id=number, heading="Run 1 acted", now=NOW)


def resolve(number: int) -> None:
    services.resolve(incident_id=number, by=ANN, reason="mended", now=NOW + timedelta(minutes=1))


def come_back(number: int) -> None:
    services.mitigate(incident_id=number, by=JUDGE, reason="retries are off", now=NOW)
    services.worsen(incident_id=number, by=JUDGE, reason="the storm outlives its run", now=NOW)


SENT: dict[str, Callable[[int], None]] = {
    "firing": lambda number: None,
    "info": lambda number: say("INFO", number),
    "approval": lambda number: say("APPROVAL", number),
    "needs a person": lambda number: say("NEEDS_HUMAN", number),
    "resolved by itself": lambda number: clear(),
    "resolved by a person": resolve,
    "back": come_back,
}


@pytest.mark.parametrize("kind", SENT)
def test_each_message_has_every_part(kind: str) -> None:
    number = fire()
    SENT[kind](number)

    said = json.dumps(posts()[-1].payload)

    assert f"{settings.BASE_URL}/runbooks/canary-rolled-back/?incident={number}" in said
    for part in ("edge", "shop", "backend shop-v2", "first-attempt errors", "30 %", "What the machine did"):
        assert part in said


def test_what_a_person_says_is_not_what_the_machine_did() -> None:
    SENT["resolved by a person"](fire())

    said = json.dumps(posts()[-1].payload)

    assert "Resolved by ann: mended" in said
    assert "took its weight to 0" in said


def test_every_alert_of_sluices_own_names_a_runbook_that_is_there() -> None:
    sources = [
        path.read_text()
        for app in ("canary", "dashboard", "proxy", "slo")
        for path in (ROOT / app).rglob("*.py")
    ]
    named = {slug for text in sources for slug in re.findall(r'^\w*RUNBOOK = "([\w-]+)"', text, re.M)}

    assert named <= set(texts.built_in())
    assert {"canary-rolled-back", "rules-not-loaded", "revision-not-understood"} <= named
    assert [text for text in sources if 'runbook="",' in text] == []
