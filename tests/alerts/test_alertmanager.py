"""Alertmanager's webhook: what becomes of its alerts, and that doubled and late deliveries change nothing."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from access import services as access
from access.domain.roles import Role
from alerts import alertmanager, services
from alerts.domain import alertmanager as domain
from alerts.domain.alertmanager import Notification
from alerts.models import Alert, Episode, Incident
from tests.alerts.factories import ANN, NOW, at, brownout, incident, storm, texts
from tests.pages import world
from tests.support.people import BY, bearer, person

pytestmark = pytest.mark.django_db

URL = "/api/v1/alerts/alertmanager"
LABELS = {"alertname": "DiskFull", "severity": "critical", "instance": "db-1"}


def alert(status: str = "firing", *, began: datetime = NOW, labels: dict[str, str] | None = None) -> Any:
    ended = "0001-01-01T00:00:00Z" if status == "firing" else at(5).isoformat()
    return {
        "status": status,
        "labels": labels or LABELS,
        "annotations": {"summary": "The disk of db-1 is full", "runbook_url": "https://wiki.test/disk"},
        "startsAt": began.isoformat(),
        "endsAt": ended,
        "generatorURL": "http://prometheus.test/graph?g0.expr=x",
        "fingerprint": "58e1",
    }


def body(*alerts: Any, **over: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="DiskFull"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "sluice",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.test",
        "alerts": list(alerts),
        **over,
    }


def take(*alerts: Any, minutes: float = 0) -> alertmanager.Taken:
    notification = Notification.model_validate(body(*alerts))
    return alertmanager.receive(notification=notification, by=ANN, now=at(minutes))


def test_an_alert_of_alertmanager_opens_an_incident_with_all_that_it_said() -> None:
    assert take(alert()) == alertmanager.Taken(fired=1)
    (found,) = Incident.objects.all()
    assert (found.severity, found.title, found.target) == ("page", "The disk of db-1 is full", "outside")
    assert found.numbers == {"instance": "db-1"}
    assert found.links[0] == ["Their runbook", "https://wiki.test/disk"]
    assert texts()[0].startswith("The disk of db-1 is full")


def test_a_doubled_delivery_changes_nothing() -> None:
    take(alert())
    assert take(alert(), minutes=1) == alertmanager.Taken(repeated=1)
    assert (Incident.objects.count(), Alert.objects.count(), len(texts())) == (1, 1, 1)
    assert take(alert("resolved"), minutes=5) == alertmanager.Taken(resolved=1)
    assert take(alert("resolved"), minutes=6) == alertmanager.Taken(repeated=1)
    assert len(texts()) == 2


def test_a_late_firing_does_not_open_what_was_told_to_be_over() -> None:
    take(alert())
    take(alert("resolved"), minutes=5)
    assert take(alert(), minutes=6) == alertmanager.Taken(late=1)
    assert Incident.objects.get().state == "RESOLVED"


def test_an_end_that_comes_before_its_beginning_is_kept() -> None:
    assert take(alert("resolved")) == alertmanager.Taken(ignored=1)
    assert take(alert(), minutes=1) == alertmanager.Taken(late=1)
    assert not Incident.objects.exists()


def test_a_late_end_of_an_earlier_episode_ends_no_later_one() -> None:
    take(alert())
    take(alert("resolved"), minutes=5)
    take(alert(began=at(8)), minutes=8)
    assert take(alert("resolved"), minutes=9) == alertmanager.Taken(late=1)
    assert (Incident.objects.get().state, Incident.objects.get().flaps) == ("OPEN", 1)


def test_what_a_person_resolved_and_goes_on_is_open_again() -> None:
    take(alert())
    services.resolve(incident_id=Incident.objects.get().pk, by=ANN, reason="done", now=at(1))
    assert take(alert(), minutes=5) == alertmanager.Taken(fired=1)
    assert Incident.objects.get().flaps == 1


def test_a_group_is_taken_alert_by_alert() -> None:
    other = {**LABELS, "instance": "db-2"}
    assert take(alert(), alert(labels=other)) == alertmanager.Taken(fired=2)
    assert Incident.objects.get().alerts.count() == 2
    take(alert("resolved"), alert(labels=other), minutes=5)
    assert Incident.objects.get().state == "OPEN"


@pytest.mark.parametrize(
    ("given", "severity"),
    [("page", "page"), ("Critical", "page"), ("warning", "ticket"), ("", "ticket"), ("weird", "ticket")],
)
def test_a_severity_that_nobody_knows_wakes_nobody(given: str, severity: str) -> None:
    assert domain.severity({"severity": given}) == severity


def test_what_always_fires_on_purpose_is_left_alone() -> None:
    labels = {"alertname": "Watchdog", "severity": "none"}
    assert take(alert(labels=labels)) == alertmanager.Taken(ignored=1)


def test_an_alert_of_sluices_own_rules_joins_what_sluice_says() -> None:
    number = storm()
    labels = {"alertname": "SluicePageFast", "severity": "page", "sluice": "burn"}
    take(alert(labels={**labels, "tier": "edge", "route": "shop"}))
    assert Incident.objects.get().pk == number


def test_a_known_cause_of_one_upstream_explains_as_sluices_own_does() -> None:
    labels = {"alertname": "Brownout", "severity": "page", "cause": "brownout"}
    take(alert(labels={**labels, "tier": "edge", "upstream": "shop-v1"}))
    assert incident(storm()).explained_by_id is not None


def test_an_alert_of_a_route_is_explained_by_what_is_behind_the_route() -> None:
    world.tier(NOW)
    parent = brownout("shop-v1")
    labels = {"alertname": "ErrorsOnShop", "severity": "page", "cause": "slo_burn"}
    take(alert(labels={**labels, "tier": "edge", "route": "shop"}))
    assert Incident.objects.get(route="shop").explained_by_id == parent


@pytest.mark.parametrize("name", ["tier", "route", "upstream"])
def test_what_can_be_no_name_of_a_target_is_a_figure(name: str) -> None:
    take(alert(labels={**LABELS, name: "/api v1"}), alert(labels={**LABELS, name: "/api v2"}))
    found = Incident.objects.get()
    assert (found.target, found.alerts.count()) == ("outside", 2)
    assert found.numbers[f"their_{name}"].startswith("/api v")


@pytest.mark.parametrize("bad", ["javascript:alert(1)", "ftp://prometheus.test/x", "http://x.test/|<b>"])
def test_links_lead_to_pages_only(bad: str) -> None:
    given = alert()
    given["generatorURL"] = bad
    given["annotations"]["runbook_url"] = "http://127.0.0.1:8000/runbooks/slo-burn/"
    take(given)
    found = Incident.objects.get()
    assert (found.runbook, found.links) == ("slo-burn", [])


def test_what_is_too_much_is_left_out_and_pages_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager, "MOST", 3)
    tickets = [alert(labels={"alertname": "T", "severity": "warning", "n": str(n)}) for n in range(3)]
    taken = take(*tickets, alert())
    assert (taken.fired, taken.left_out) == (3, 1)
    assert Incident.objects.filter(severity="page").count() == 1


@given(order=st.permutations(["firing", "firing", "resolved", "resolved"]))
@settings(max_examples=12, deadline=None)
def test_whatever_the_order_of_deliveries_one_episode_ends_once(order: list[str]) -> None:
    Incident.objects.all().delete()
    Episode.objects.all().delete()
    Alert.objects.all().delete()
    for minute, status in enumerate(order):
        take(alert(status), minutes=minute)
    assert not Alert.objects.filter(state="FIRING").exists()
    assert Incident.objects.count() <= 1
    assert all(found.flaps == 0 for found in Incident.objects.all())


def post(client: Client, given: Any, headers: dict[str, str]) -> Any:
    text = given if isinstance(given, str) else json.dumps(given)
    return client.post(URL, text, content_type="application/json", headers=headers)


def test_the_webhook_answers_what_became_of_it(client: Client) -> None:
    answer = post(client, body(alert()), bearer(Role.OPERATOR))
    assert (answer.status_code, answer.json()["fired"]) == (200, 1)


def test_a_token_for_alerts_opens_no_other_door(client: Client) -> None:
    token = access.issue_token(user=person(Role.OPERATOR), name="am", only="alerts", by=BY, now=NOW)
    headers = {"Authorization": f"Bearer {token}"}
    assert post(client, body(alert()), headers).status_code == 200
    assert client.get("/api/v1/alerts", headers=headers).status_code == 401
    number = Incident.objects.get().pk
    url = f"/api/v1/incidents/{number}/resolve"
    assert client.post(url, {}, content_type="application/json", headers=headers).status_code == 401


def test_whoever_only_reads_sends_no_alert(client: Client) -> None:
    assert post(client, body(alert()), bearer(Role.VIEWER)).status_code == 403
    assert post(client, body(alert()), {}).status_code == 401


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("{", "body"),
        (body(version="3"), "version"),
        (body({"status": "firing"}), "alerts.0.labels"),
        (body({**alert(), "startsAt": "yesterday"}), "alerts.0.startsAt"),
    ],
)
def test_a_notification_that_is_not_whole_is_refused_with_its_place(
    client: Client, given: Any, field: str
) -> None:
    answer = post(client, given, bearer(Role.OPERATOR))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert not Incident.objects.exists()


def test_what_is_long_is_cut_and_not_refused(client: Client) -> None:
    long = {**alert(), "annotations": {"summary": "s" * 9000, "description": "d" * 9000}}
    long["labels"] = {**LABELS, "alertname": "A" * 500, "query": "q" * 9000}
    assert post(client, body(long), bearer(Role.OPERATOR)).json()["fired"] == 1
    found = Incident.objects.get()
    assert (len(found.title), len(found.cause), len(found.numbers["query"])) == (300, 32, 300)


def test_a_notification_has_a_size(client: Client) -> None:
    answer = post(client, body(alert()) | {"pad": "x" * 1_100_000}, bearer(Role.OPERATOR))
    assert answer.status_code == 413


def test_the_description_of_the_api_has_the_whole_of_a_notification(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    content = document["paths"][URL]["post"]["requestBody"]["content"]["application/json"]
    assert "startsAt" in content["schema"]["properties"]["alerts"]["items"]["required"]
    assert "$defs" not in json.dumps(document)


def test_a_brownout_of_sluice_is_not_ended_by_alertmanager() -> None:
    number = brownout()
    labels = {"alertname": "Brownout", "severity": "page", "cause": "brownout"}
    take(alert("resolved", labels={**labels, "tier": "edge", "upstream": "shop-v1"}))
    assert incident(number).state == "OPEN"
