"""From an alert of Prometheus to what it tells of, by labels alone."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from access.domain.roles import Role
from audit.domain.actor import Actor
from slo import services
from slo.models import Objective
from tests.slo.recorded import NOW, tier
from tests.support.people import person

pytestmark = pytest.mark.django_db
BY = Actor(name="ann", source="cli")
SHOP = {
    "tier": "edge",
    "sli": "route_availability",
    "route": "shop",
    "upstream": "",
    "target": "0.999",
    "period": "30d",
}


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(person(Role.VIEWER))
    promise = {"kind": "route_availability", "route": "shop", "runbook": "slo-burn"}
    objectives = [
        {**promise, "name": "strict", "target": 99.9},
        {**promise, "name": "loose", "target": 99},
        {**promise, "name": "short", "target": 99.9, "window_days": 7},
    ]
    services.sync(tier=tier(objectives=objectives), by=BY, now=NOW)
    return client


def found(client: Client, **labels: str) -> str:
    answer = client.get(f"{reverse('objective-told-of')}?{urlencode({**SHOP, **labels})}")
    assert answer.status_code in (302, 404)
    return answer.headers.get("Location", "")


def number(name: str) -> int:
    return Objective.objects.get(name=name).pk


def test_labels_lead_to_the_objective_that_promises_just_that(reader: Client) -> None:
    assert found(reader) == reverse("objective", args=[number("strict")])
    assert found(reader, target="0.99") == reverse("objective", args=[number("loose")])
    assert found(reader, period="7d") == reverse("objective", args=[number("short")])


def test_they_lead_to_its_runbook_too(reader: Client) -> None:
    assert found(reader, to="runbook") == reverse("runbook", args=["slo-burn"])


def test_what_is_no_longer_promised_is_not_found(reader: Client) -> None:
    services.sync(tier=tier(), by=BY, now=NOW + timedelta(minutes=1))

    assert found(reader) == ""
    assert found(reader, tier="elsewhere") == ""
