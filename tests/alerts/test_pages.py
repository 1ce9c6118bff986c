"""The pages of incidents: found, read in order, acted on, written up."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.domain.roles import Role
from alerts import listing, services, views
from alerts.models import Incident, Outbox, Silence
from tests.alerts.factories import ANN, brownout, declare, signal, storm
from tests.support.people import person

pytestmark = pytest.mark.django_db

FILE = """
receivers: {second: {slack: "#on-call"}, pager: {pagerduty: pager}}
escalation: [{after: 5m, to: second}, {after: 15m, to: pager}]
"""


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(person(Role.OPERATOR))
    return client


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, number: int, act: str, **fields: Any) -> str:
    answer = client.post(f"/incidents/{number}/{act}/", {"reason": "a test", **fields}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def opened() -> int:
    return storm(now=timezone.now())


def test_what_another_incident_explains_stands_with_it(operator: Client) -> None:
    now = timezone.now()
    parent, child = brownout(now=now), storm(now=now)
    said = page(operator, "/incidents/")
    assert f"#{parent} " in said
    assert f"#{child} " not in said
    assert "explains 1 other" in said
    assert f"#{child} " in page(operator, "/incidents/?explained=on")
    assert f"#{child} " in page(operator, f"/incidents/{parent}/")
    assert f"Incident {parent}</a> explains this one" in page(operator, f"/incidents/{child}/")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=open", {"shop", "disk"}),
        ("state=OPEN", {"shop", "disk"}),
        ("state=resolved", {"payments"}),
        ("tier=inner", {"disk"}),
        ("severity=ticket", {"disk"}),
        ("text=payments", {"payments"}),
        ("text=retry+shop", {"shop"}),
        ("state=nonsense&page=x", {"shop", "payments", "disk"}),
    ],
)
def test_incidents_are_narrowed_by_the_address(operator: Client, query: str, found: set[str]) -> None:
    now = timezone.now()
    names = {opened(): "shop", storm("payments", through=("p",), now=now): "payments"}
    names[signal("disk", "disk", {"tier": "inner"}, severity="ticket", now=now)] = "disk"
    gone = next(number for number, name in names.items() if name == "payments")
    services.resolve(incident_id=gone, by=ANN, reason="done", now=now)

    said = page(operator, f"/incidents/?{query}")

    assert {name for number, name in names.items() if f'/incidents/{number}/"' in said} == found


def test_a_number_finds_its_incident(operator: Client) -> None:
    number, other = opened(), storm("payments", through=("p",), now=timezone.now())
    said = page(operator, f"/incidents/?text=%23{number}")
    assert f'/incidents/{number}/"' in said
    assert f'/incidents/{other}/"' not in said


def test_the_list_comes_in_pages(operator: Client) -> None:
    now = timezone.now()
    for place in range(listing.PAGE + 1):
        storm(f"route-{place}", through=(f"own-{place}",), now=now + timedelta(seconds=place))
    first, second = page(operator, "/incidents/"), page(operator, "/incidents/?page=2")
    assert (first.count("retry-storm of edge/route-"), second.count("retry-storm of edge/route-")) == (50, 1)
    assert "page 1 of 2" in first
    assert "past the end" in page(operator, "/incidents/?page=9")


def test_the_page_says_who_is_called_next(operator: Client, settings: Any, tmp_path: Path) -> None:
    declare(settings, tmp_path, FILE)
    number = opened()
    said = page(operator, f"/incidents/{number}/")
    assert said.index("Slack #on-call") < said.index("events.pagerduty.com")
    assert "operator has it" in press(operator, number, "acknowledge")


def test_what_happened_is_in_order_with_people_and_messages(operator: Client) -> None:
    number = opened()
    services.note(incident_id=number, text="run 3 began", by=ANN, now=timezone.now())
    press(operator, number, "acknowledge")
    said = page(operator, f"/incidents/{number}/")
    timeline = said[said.index('class="timeline"') : said.index("<h2>Alerts</h2>")]
    places = [timeline.index(words) for words in ("signal ·", "run 3 began", "acked: a test")]
    assert places == sorted(places)
    assert "to the channel, pending" in timeline


def test_a_long_story_is_cut_on_the_page_and_whole_in_the_write_up(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "SHOWN", 3)
    number = opened()
    for line in range(5):
        services.note(incident_id=number, text=f"line {line}", by=ANN, now=timezone.now())
    said = page(operator, f"/incidents/{number}/")
    assert ("line 1" in said, "line 2" in said, "There is more before this" in said) == (False, True, True)
    text = operator.get(f"/incidents/{number}/export.md").content.decode()
    assert all(f"line {line}" in text for line in range(5))


def test_a_silence_is_until_a_moment_and_can_be_ended(operator: Client) -> None:
    number = opened()
    until = timezone.now() + timedelta(hours=5)
    press(operator, number, "silence", until=f"{until:%Y-%m-%dT%H:%M}", minutes="30")
    row = Silence.objects.get()
    assert abs(row.ends_at - until) < timedelta(minutes=1)
    assert "End the silence" in page(operator, f"/incidents/{number}/")
    press(operator, number, f"silences/{row.pk}/end")
    row.refresh_from_db()
    assert row.ends_at <= timezone.now()


@pytest.mark.parametrize(
    "fields",
    [{}, {"until": "soon"}, {"minutes": "0"}, {"until": "2020-01-01T00:00"}, {"until": "2999-01-01T00:00"}],
)
def test_a_silence_that_cannot_be_changes_nothing(operator: Client, fields: dict[str, str]) -> None:
    number = opened()
    assert "Nothing was changed" in press(operator, number, "silence", **fields)
    assert not Silence.objects.exists()


def test_a_message_that_may_not_have_arrived_is_sent_again_by_a_person(operator: Client) -> None:
    number = opened()
    row = Outbox.objects.filter(incident=number).first()
    assert row is not None
    Outbox.objects.filter(pk=row.pk).update(state="UNKNOWN")
    assert "Send again" in page(operator, f"/incidents/{number}/")
    press(operator, number, f"messages/{row.pk}/resend")
    row.refresh_from_db()
    assert row.state == "PENDING"
    assert "cannot resend" in press(operator, number, f"messages/{row.pk}/resend")


def test_whoever_only_reads_changes_nothing(client: Client) -> None:
    client.force_login(person(Role.VIEWER))
    number = opened()
    for act in ("acknowledge", "resolve", "silence", "silences/1/end", "messages/1/resend"):
        assert client.post(f"/incidents/{number}/{act}/", {"reason": "x"}).status_code == 403
    assert Incident.objects.get().state == "OPEN"
    assert "takes the role operator" in page(client, f"/incidents/{number}/")


def test_the_write_up_says_it_all_and_nothing_breaks_its_form(operator: Client) -> None:
    number = storm(
        now=timezone.now(),
        summary="a | b\n# <script> *bold*",
        numbers={"errors | all": "30 %"},
        action="did | this",
    )
    services.acknowledge(incident_id=number, by=ANN, reason="mine", now=timezone.now())
    answer = operator.get(f"/incidents/{number}/export.md")
    text = answer.content.decode()
    assert answer["Content-Type"].startswith("text/markdown")
    assert text.startswith(f"# Incident {number}: a | b \\# \\<script\\> \\*bold\\*\n")
    assert "| errors \\| all | 30 % |" in text
    assert "| What the machine did | did \\| this |" in text
    for part in ("## Timeline", "## Alerts", "## What we learned", "acked: mine", "edge/route/shop"):
        assert part in text


def test_an_incident_of_no_tier_has_a_page(operator: Client) -> None:
    number = signal("disk", "DiskFull", {"alertname": "DiskFull"}, now=timezone.now())
    assert "no tier" in page(operator, f"/incidents/{number}/")


def test_links_of_others_tell_nothing_of_where_one_comes_from(operator: Client) -> None:
    links = [("Objective", "/objectives/7/"), ("Prometheus", "http://prometheus.test/graph")]
    number = storm(now=timezone.now(), links=links)
    said = page(operator, f"/incidents/{number}/")
    assert '<a href="/objectives/7/">Objective</a>' in said
    assert '<a href="http://prometheus.test/graph" rel="noreferrer">Prometheus</a>' in said


@pytest.mark.parametrize("number", [5, 30])
def test_the_page_takes_as_many_queries_whatever_it_explains(
    operator: Client, number: int, django_assert_max_num_queries: Any
) -> None:
    now = timezone.now()
    parent = brownout(now=now)
    for place in range(number):
        storm(f"route-{place}", through=("shop-v1", f"own-{place}"), now=now)
    with django_assert_max_num_queries(14):
        page(operator, f"/incidents/{parent}/")
