"""A budget on which its tier's policy acts is told of once, and once when it does no more."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import alerts.selectors
import proxy.services
from access.domain.roles import Role
from alerts.models import Outbox
from audit.domain.actor import Actor
from proxy.selectors import base
from slo import services
from slo.models import Budget, Objective
from tests.proxy.factories import document
from tests.support.people import person

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BY = Actor("ann", "cli")


@pytest.fixture(autouse=True)
def _declared() -> None:
    proxy.services.apply(document=document(), by=BY, reason="", now=NOW)
    services.sync(tier=base("edge"), by=BY, now=NOW)


def leave(share: float, name: str = "shop-availability") -> None:
    Budget.objects.update_or_create(
        objective=Objective.objects.get(name=name),
        defaults={"since": NOW, "looked_at": NOW, "left": share, "coverage": 1.0},
    )


def said(kind: str = "FIRING") -> list[str]:
    return [str(row.payload) for row in Outbox.objects.filter(kind=kind, op="post").order_by("pk")]


def test_each_level_is_told_once_with_what_it_means() -> None:
    for left in (0.6, 0.5, 0.4, 0.2, 0.2, -0.1):
        leave(left)
        services.warn(now=NOW)
    told = said()
    assert len(told) == 3
    assert "50 % of the error budget of shop-availability is left" in told[0]
    assert "ask a person before each step up" in told[1]
    assert "nothing of the error budget" in told[2]
    assert "No rollout begins or steps up" in told[2]


def test_it_says_whose_failures_spent_the_budget_and_nothing_where_nobody_knows() -> None:
    leave(0.4)
    Budget.objects.update(total=1000, bad_proxy=0, bad_backend=9, bad_other=0)
    leave(0.4, "payments-availability")
    services.warn(now=NOW)

    told = {name: next(each for each in said() if name in each) for name in ("shop-", "payments-")}

    assert "*Originator*\\nbackend" in told["shop-"]
    assert "Originator" not in told["payments-"]


def test_the_page_of_an_incident_blames_nobody_where_nobody_knows(client: Client) -> None:
    client.force_login(person(Role.VIEWER))
    leave(0.4)
    services.warn(now=NOW)
    (incident,) = alerts.selectors.open_incidents()

    page = client.get(f"/incidents/{incident.id}/").content.decode()

    assert "Originator" in page
    assert "fault of" not in page


def test_a_budget_that_is_back_ends_it() -> None:
    leave(-1)
    services.warn(now=NOW)
    leave(0.9)
    assert services.warn(now=NOW) == 1
    assert services.warn(now=NOW) == 0
    assert alerts.selectors.open_incidents() == []


def test_a_retired_objective_demands_nothing_more() -> None:
    leave(-1)
    services.warn(now=NOW)
    Objective.objects.filter(name="shop-availability").update(retired_at=NOW)
    assert services.warn(now=NOW) == 1
    assert alerts.selectors.open_incidents() == []
    (told,) = said("RESOLVED")
    assert "it is retired" in told


def test_a_ticket_and_what_was_never_measured_are_not_told() -> None:
    leave(-1, "worker-cpu")
    Budget.objects.create(
        objective=Objective.objects.get(name="payments-availability"), since=NOW, looked_at=NOW
    )
    assert services.warn(now=NOW) == 0


def test_where_nothing_changed_the_number_of_queries_does_not_grow() -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            services.warn(now=NOW)
        return len(found)

    leave(0.9)
    one = asked()
    for row in Objective.objects.all():
        leave(0.9, row.name)
    assert asked() == one


@pytest.mark.parametrize(
    ("left", "words"),
    [(-1, "Steps up are frozen."), (0.2, "Rollouts ask before each step up,"), (0.4, None)],
)
def test_the_objective_s_page_says_what_is_held(left: float, words: str | None, client: Client) -> None:
    leave(left)
    services.warn(now=NOW)
    client.force_login(person(Role.VIEWER))
    row = Objective.objects.get(name="shop-availability")
    page = client.get(f"/objectives/{row.pk}/").content.decode()
    held = [said for said in ("Steps up are frozen.", "Rollouts ask before each step up,") if said in page]
    assert held == ([words] if words else [])
