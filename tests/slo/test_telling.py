"""What is told of an objective that burns, when, and what ends it."""

from datetime import timedelta
from typing import Any

import pytest

import alerts.selectors
import alerts.services
from alerts.models import Alert
from slo import selectors, services
from slo.domain.looks import Look, look
from slo.domain.objectives import Objective
from slo.services import looking
from telemetry.domain import catalogue
from tests.slo.recorded import NOW, Traffic, recorded
from tests.slo.test_services import FAILING, HEALTHY, TICK, declare, named, tick

pytestmark = pytest.mark.django_db


def test_a_page_is_told_once_with_what_a_person_needs() -> None:
    declare()

    tick(FAILING)
    tick(FAILING, after=TICK)

    (incident,) = alerts.selectors.open_incidents()
    assert (incident.cause, incident.severity, incident.originator) == ("slo_burn", "page", "backend")
    assert (incident.tier, incident.route, incident.runbook) == ("edge", "shop", "slo-burn")
    assert incident.title == "shop-availability burns 16x over 1h: failures made by backends"
    assert list(incident.numbers) == [
        "objective", "burn 1h", "burn 5m", "failures", "made by", "budget", "budget spent by this incident",
    ]  # fmt: skip
    assert incident.numbers["objective"] == "99.5 % of requests to route shop succeed"
    assert incident.numbers["failures"] == "28,800 of 360,000 requests in 1h"
    # An hour of thirty days, sixteen times as fast as allowed.
    assert incident.numbers["budget spent by this incident"] == "2.22 %"
    assert incident.numbers["burn 1h"] == "16x (pages at 14.4x)"
    assert incident.numbers["made by"] == "proxy 0 %, backend 100 %"
    (message,) = alerts.selectors.messages()
    number = named("shop-availability").id
    links = [
        "/runbooks/slo-burn/?incident=",
        f"/objectives/{number}/",
        "/tiers/edge/?at=2026-03-01T12:00:00Z",
    ]
    assert [
        link for link in [*links, f"/incidents/{incident.id}#act-silence"] if link not in message.text
    ] == []
    assert [row.name for row in selectors.objectives() if row.firing] == ["shop-availability"]
    assert named("shop-availability").incident_id == incident.id


def test_a_page_names_what_fails_at_which_backend_and_why() -> None:
    declared = declare()
    metrics = recorded(Traffic(proxy=0.3), of=declared)
    where = {"tier": "edge", "route": "shop", "arm": "shop-v1"}
    refused = {**where, "reason": "connect_failed", "code": "503"}
    answered = {**where, "reason": "backend", "code": "500"}
    metrics.answer(catalogue.faults(window=timedelta(minutes=5)), [(refused, 30.0), (answered, 10.0)])

    services.tick(metrics=metrics, now=NOW)

    said = {alert.labels["objective"]: alert for alert in Alert.objects.all()}
    shop, proxy = said["shop-availability"], said["proxy-availability"]
    assert shop.summary.endswith(" over 1h: the proxy answers 503 for shop-v1: connect_failed (75 %)")
    assert shop.numbers["what fails now"].endswith("; shop-v1 itself answers 500 (25 %)")
    assert shop.numbers["budget"] == "spent 60 times over"
    assert "budget gone in" not in shop.numbers
    assert ": route shop: the proxy answers 503 for shop-v1: connect_failed (100 %)" in proxy.summary
    assert len(metrics.asked) == 5


def test_just_below_the_page_a_ticket_is_told() -> None:
    declare()

    tick(Traffic(backend=0.029))  # 5.8 times: 6 pages over 6 hours, and 3 is a ticket over a day

    (incident,) = alerts.selectors.open_incidents()
    assert (incident.cause, incident.severity) == ("slo_ticket", "ticket")
    assert incident.title == "shop-availability burns 5.8x over 1d: failures made by backends"
    assert incident.numbers["burn 1d"] == "5.8x (a ticket at 3x)"
    assert incident.numbers["burn 2h"] == "5.8x"
    assert [alert.rule for alert in Alert.objects.all()] == ["slo_ticket"]
    assert (named("shop-availability").state, named("shop-availability").told) == ("burning", "ticket")


def test_just_below_the_ticket_nobody_is_told() -> None:
    declare()

    tick(Traffic(backend=0.0049))  # 0.98 times, and 1 is a ticket over three days

    assert alerts.selectors.open_incidents() == []
    assert named("shop-availability").state == "ok"


def test_a_budget_that_is_spent_says_how_often() -> None:
    declare()

    tick(Traffic(backend=0.029))

    # In thirty days that is the budget 5.8 times.
    row = named("shop-availability")
    assert (row.state, row.exhausted_in) == ("burning", timedelta(0))
    assert row.why == "the budget is spent 5.8 times over"


def test_a_young_history_pages_when_an_hour_would_burn_even_with_the_rest_good() -> None:
    declare()

    # 29 min at 16 times are 7.7 times an hour; half of the hour stands for all of it.
    tick(FAILING, age=timedelta(minutes=29))
    assert not any(row.firing for row in selectors.objectives())

    tick(FAILING, age=timedelta(minutes=30), after=TICK)
    assert [row.name for row in selectors.objectives() if row.firing] == ["shop-availability"]


def test_an_outage_of_a_young_tier_pages_at_once() -> None:
    declare()

    # 200 times: 14.4 / 200 of an hour is 259 s.
    tick(Traffic(backend=1), age=timedelta(seconds=255))
    assert not any(row.firing for row in selectors.objectives())

    tick(Traffic(backend=1), age=timedelta(seconds=270), after=TICK)
    assert [row.name for row in selectors.objectives() if row.firing] == ["shop-availability"]


def test_a_young_history_shows_its_coverage_and_what_it_knows_of_the_budget() -> None:
    declare()

    tick(Traffic(backend=0.001), age=timedelta(minutes=3))

    row = named("shop-availability")
    assert row.left == pytest.approx(0.8)
    assert row.coverage == pytest.approx(3 / (30 * 24 * 60))


def test_what_burnt_is_cleared_when_it_is_well_below() -> None:
    declare()
    tick(FAILING)

    tick(HEALTHY, after=TICK)

    assert alerts.selectors.open_incidents() == []
    assert (named("shop-availability").state, named("shop-availability").firing) == ("ok", False)


def test_what_burnt_is_not_cleared_just_below_its_page() -> None:
    declare()
    tick(FAILING)

    tick(Traffic(backend=0.028), after=TICK)  # 5.6 times: below 6 and above 0.8 x 6

    assert named("shop-availability").state == "burning"
    assert len(alerts.selectors.open_incidents()) == 1


def test_what_one_objective_breaks_blinds_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    declare("shop", "payments")

    def breaks(objective: Objective, *args: Any, **more: Any) -> Look:
        if objective.route == "payments":
            raise ZeroDivisionError("never seen before")
        return look(objective, *args, **more)

    monkeypatch.setattr(looking, "look", breaks)
    tick(FAILING)
    assert (
        named("payments-availability").why
        == "it could not be looked at: ZeroDivisionError: never seen before"
    )
    assert named("payments-availability").state == "no_data"
    (incident,) = alerts.selectors.open_incidents()
    assert incident.route == "shop"


def test_one_that_nobody_could_be_told_of_is_told_by_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    declare()
    with monkeypatch.context() as broken:
        broken.setattr(alerts.services, "signal", lambda **_: 1 / 0)
        tick(FAILING)
    assert alerts.selectors.open_incidents() == []
    tick(FAILING, after=TICK)
    assert len(alerts.selectors.open_incidents()) == 1
