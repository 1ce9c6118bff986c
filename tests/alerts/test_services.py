"""Alerts and incidents: what joins, what is told, what a person may do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import audit.selectors
from alerts import selectors, services
from alerts.domain.silence import BadSilence
from alerts.domain.states import WrongState
from alerts.models import Alert, Incident, Outbox, TimelineEntry
from audit.domain.actor import Actor, automation
from tests.alerts.factories import unhandled

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
JUDGE = automation("judge")
ANN = Actor("ann", "web")
CANARY = {"tier": "edge", "route": "shop", "upstream": "shop-v2"}


def fire(*, rule: str = "canary-failed", cause: str = "canary", now: datetime = NOW, **over: Any) -> int:
    facts: dict[str, Any] = {
        "labels": CANARY,
        "severity": "page",
        "originator": "backend",
        "summary": "shop-v2 fails 30 % of first attempts",
        "numbers": {"first-attempt errors": "30 %"},
        "action": "took its weight to 0",
        "runbook": "canary-rolled-back",
        "by": JUDGE,
    }
    return services.signal(rule=rule, cause=cause, now=now, **(facts | over))


def clear(rule: str = "canary-failed", *, minutes: float = 1) -> None:
    services.clear(rule=rule, labels=CANARY, why="no errors", by=JUDGE, now=NOW + timedelta(minutes=minutes))


def root() -> str:
    """The heading that the root message shows in the end."""
    update = Outbox.objects.filter(op="update").order_by("id").last()
    return str((update or posts()[0]).payload["text"])


def posts() -> list[Outbox]:
    return list(Outbox.objects.filter(op="post").order_by("id"))


def test_a_signal_opens_one_alert_one_incident_and_one_message() -> None:
    number = fire()
    incident = selectors.incident(number)
    assert incident is not None
    assert (incident.state, incident.originator, incident.target) == (
        "OPEN",
        "backend shop-v2",
        "edge/route/shop",
    )
    assert [m.kind for m in incident.messages] == ["FIRING"]


def test_a_repeated_signal_counts_and_sends_nothing() -> None:
    fire()
    fire(now=NOW + timedelta(seconds=5), numbers={"first-attempt errors": "33 %"})
    alert = Alert.objects.get()
    assert (alert.count, alert.numbers["first-attempt errors"]) == (2, "33 %")
    assert alert.last_seen == NOW + timedelta(seconds=5)
    assert len(posts()) == 1


def test_the_order_of_labels_does_not_matter() -> None:
    fire()
    fire(labels=dict(reversed(CANARY.items())))
    assert Alert.objects.count() == 1


def test_the_message_says_whose_fault_and_links_to_the_runbook_with_the_incident_in_view(
    settings: Any,
) -> None:
    settings.BASE_URL = "https://sluice.test"
    number = fire()
    said = str(posts()[0].payload)
    assert f"https://sluice.test/runbooks/canary-rolled-back/?incident={number}" in said
    assert "backend shop-v2" in said
    assert "took its weight to 0" in said
    assert "30 %" in said


def test_a_consequence_joins_the_incident_of_its_cause() -> None:
    first = fire(rule="slo-burn", cause="slo_burn", summary="shop burns", runbook="slo-burn")
    second = fire()
    incident = Incident.objects.get()
    assert first == second == incident.pk
    assert (incident.cause, incident.runbook) == ("canary", "canary-rolled-back")


def test_a_consequence_does_not_take_over_the_incident() -> None:
    fire()
    fire(rule="retry-storm", cause="retry_storm", summary="shop retries", runbook="retry-storm")
    assert Incident.objects.get().cause == "canary"


def test_another_family_or_route_is_another_incident() -> None:
    fire()
    fire(rule="cpu", cause="cpu")
    fire(labels=CANARY | {"route": "payments"})
    assert Incident.objects.count() == 3


def test_an_incident_resolves_with_its_last_alert_and_says_so_once() -> None:
    fire()
    fire(rule="slo-burn", cause="slo_burn")
    clear()
    assert Incident.objects.get().state == "OPEN"
    clear("slo-burn")
    clear("slo-burn")
    assert Incident.objects.get().state == "RESOLVED"
    assert [m.kind for m in posts()] == ["FIRING", "FIRING", "RESOLVED"]


def test_a_signal_soon_after_reopens_with_a_flap() -> None:
    number = fire()
    clear()
    assert fire(now=NOW + timedelta(minutes=5)) == number
    incident = Incident.objects.get()
    assert (incident.state, incident.flaps, incident.resolved_at) == ("OPEN", 1, None)


def test_a_signal_long_after_opens_another_incident() -> None:
    number = fire()
    clear()
    assert fire(now=NOW + timedelta(hours=1)) != number


def test_a_late_acknowledgement_never_reopens() -> None:
    number = fire()
    clear()
    with pytest.raises(WrongState, match="resolved"):
        services.acknowledge(incident_id=number, by=ANN, reason="mine", now=NOW)
    assert Incident.objects.get().state == "RESOLVED"


def test_an_acknowledgement_is_audited_and_shown_in_the_root_message() -> None:
    number = fire()
    services.acknowledge(incident_id=number, by=ANN, reason="looking", now=NOW)
    assert audit.selectors.entries(action="incident.acked")[0].actor == "ann"
    update = Outbox.objects.get(op="update")
    assert "Acknowledged by ann." in str(update.payload)


def test_a_mitigated_incident_that_gets_worse_is_open_again() -> None:
    number = fire()
    assert services.mitigate(incident_id=number, by=JUDGE, reason="weight 0", now=NOW)
    fire(rule="retry-storm", cause="retry_storm")
    assert Incident.objects.get().state == "OPEN"


@pytest.mark.parametrize("before", ["mitigated", "resolved"])
def test_a_state_line_of_the_timeline_does_not_repeat_its_signal(before: str) -> None:
    number = fire()
    if before == "mitigated":
        services.mitigate(incident_id=number, by=JUDGE, reason="weight 0", now=NOW)
        fire(rule="retry-storm", cause="retry_storm", summary="shop retries")
    else:
        clear()
        fire(summary="shop retries", now=NOW + timedelta(minutes=5))
    lines = [entry.text for entry in TimelineEntry.objects.order_by("id")]
    assert len([line for line in lines if "shop retries" in line]) == 1
    assert "open again" in lines


def test_what_resolves_with_its_last_alert_says_why_once_in_the_timeline() -> None:
    fire()
    clear()
    lines = [entry.text for entry in TimelineEntry.objects.order_by("id")]
    assert lines[-2:] == ["canary-failed: no errors", "resolved: nothing fires any more"]


def test_a_silence_stops_messages_but_not_the_record() -> None:
    number = fire()
    services.silence(incident_id=number, until=NOW + timedelta(hours=1), by=ANN, reason="known", now=NOW)
    fire(rule="retry-storm", cause="retry_storm", now=NOW + timedelta(minutes=1))
    assert len(posts()) == 1
    assert Alert.objects.count() == 2
    assert selectors.silenced(tier="edge", route="shop", now=NOW + timedelta(minutes=1))
    assert not selectors.silenced(tier="edge", route="payments", now=NOW + timedelta(minutes=1))


def test_what_still_fires_when_a_silence_ends_is_told_once() -> None:
    number = fire()
    services.silence(incident_id=number, until=NOW + timedelta(hours=1), by=ANN, reason="known", now=NOW)
    fire(rule="retry-storm", cause="retry_storm", now=NOW + timedelta(minutes=1))
    assert services.expire_silences(now=NOW + timedelta(hours=1)) == 1
    assert services.expire_silences(now=NOW + timedelta(hours=1)) == 0
    assert len(posts()) == 2


def test_a_silence_never_holds_back_a_call_for_a_person() -> None:
    number = fire()
    services.silence(incident_id=number, until=NOW + timedelta(hours=1), by=ANN, reason="known", now=NOW)
    assert services.tell(key="a", kind="NEEDS_HUMAN", incident_id=number, heading="revert failed", now=NOW)
    assert not services.tell(key="b", kind="APPROVAL", incident_id=number, heading="approve?", now=NOW)


@pytest.mark.parametrize("until", [timedelta(0), timedelta(days=7, seconds=1)])
def test_a_silence_ends_within_seven_days(until: timedelta) -> None:
    number = fire()
    with pytest.raises(BadSilence):
        services.silence(incident_id=number, until=NOW + until, by=ANN, reason="", now=NOW)


def test_a_message_is_told_once_per_key() -> None:
    assert services.tell(key="run/1/approval", kind="APPROVAL", incident_id=None, heading="approve?", now=NOW)
    assert not services.tell(
        key="run/1/approval", kind="APPROVAL", incident_id=None, heading="again", now=NOW
    )


def test_resolving_by_hand_ends_what_fires() -> None:
    number = fire()
    services.resolve(incident_id=number, by=ANN, reason="drained", now=NOW)
    assert Alert.objects.get().state == "RESOLVED"
    with pytest.raises(WrongState):
        services.resolve(incident_id=number, by=ANN, reason="again", now=NOW)


def test_a_heartbeat_is_late_after_three_rounds() -> None:
    services.beat(name="judge", now=NOW, every=timedelta(seconds=5))
    assert not selectors.heartbeats(now=NOW + timedelta(seconds=15))[0].late
    assert selectors.heartbeats(now=NOW + timedelta(seconds=16))[0].late


def test_what_reopens_an_incident_is_told_in_the_channel_and_in_its_root() -> None:
    fire()
    clear()
    fire(now=NOW + timedelta(minutes=5), summary="shop-v2 fails 40 %")
    assert posts()[-1].payload["broadcast"]
    assert root().startswith("shop-v2 fails 40 %")


def test_what_worsens_a_mitigated_incident_takes_its_title_and_is_told_in_the_channel() -> None:
    number = fire()
    services.mitigate(incident_id=number, by=JUDGE, reason="weight 0", now=NOW)
    fire(rule="retry-storm", cause="retry_storm", summary="shop retries", runbook="retry-storm")
    incident = Incident.objects.get()
    assert (incident.cause, incident.title, incident.runbook) == (
        "retry_storm",
        "shop retries",
        "retry-storm",
    )
    assert posts()[-1].payload["broadcast"]
    assert root().startswith("shop retries")


def test_a_second_failed_canary_is_told_in_the_channel() -> None:
    number = fire()
    services.mitigate(incident_id=number, by=JUDGE, reason="weight 0", now=NOW)
    later = NOW + timedelta(days=5)
    fire(labels=CANARY | {"rollout": "2"}, summary="shop-v2 fails again", now=later)
    assert posts()[-1].payload["broadcast"]
    assert root().startswith("shop-v2 fails again")


def test_a_consequence_of_an_open_incident_stays_in_its_thread() -> None:
    fire()
    fire(rule="slo-burn", cause="slo_burn", summary="shop burns")
    assert [m.payload["broadcast"] for m in posts()] == [False, False]
    assert root().startswith("shop-v2 fails 30 %")


def test_a_ticket_that_joins_a_page_is_told_as_a_ticket() -> None:
    fire()
    fire(rule="slo-burn", cause="slo_burn", severity="ticket", summary="shop burns")
    said = [str(post.payload["blocks"]) for post in posts()]
    assert ["*Severity*\\npage" in said[0], "*Severity*\\nticket" in said[1]] == [True, True]
    assert Incident.objects.get().severity == "page"


def test_a_page_that_joins_a_ticket_is_told_in_the_channel() -> None:
    fire(rule="slo-burn", cause="slo_burn", severity="ticket", runbook="slo-burn")
    fire(summary="shop-v2 fails")
    assert posts()[-1].payload["broadcast"]


def test_the_root_shows_the_first_cause_once_it_is_known() -> None:
    fire(rule="slo-burn", cause="slo_burn", summary="shop burns", runbook="slo-burn")
    fire(summary="shop-v2 fails")
    assert root().startswith("shop-v2 fails")


def test_a_mitigated_cause_is_handled_though_another_worsens_the_incident() -> None:
    number = fire()
    services.mitigate(incident_id=number, by=JUDGE, reason="weight 0", now=NOW)
    fire(rule="retry-storm", cause="retry_storm")
    assert unhandled(tier="edge", route="shop") == {"retry_storm"}


def test_what_was_mitigated_and_is_back_is_told_in_the_channel_once() -> None:
    number = fire()
    services.mitigate(incident_id=number, by=JUDGE, reason="weight 0", now=NOW)
    assert services.worsen(incident_id=number, by=JUDGE, reason="it fails on", now=NOW)
    assert not services.worsen(incident_id=number, by=JUDGE, reason="it fails on", now=NOW)
    assert Incident.objects.get().state == "OPEN"
    assert [(m.kind, m.payload["broadcast"]) for m in posts()] == [("FIRING", False), ("FIRING", True)]
    assert unhandled(tier="edge", route="shop") == {"canary"}


def test_what_is_told_once_stands_in_the_timeline_once() -> None:
    number = fire()
    for second in range(5):
        now = NOW + timedelta(seconds=second)
        services.tell(key="late", kind="NEEDS_HUMAN", incident_id=number, heading="late", now=now)
    assert TimelineEntry.objects.filter(kind="message").count() == 1


def test_what_was_done_replaces_what_is_being_done_in_root_and_thread() -> None:
    fire(action="Sluice takes shop-v2 from 5 % to 0 %")
    took = "Sluice took shop-v2 to 0 %; read back from edge-1, edge-2 1.3 s after the decision"
    services.clear(rule="canary-failed", labels=CANARY, why=took, did=took, by=JUDGE, now=NOW)
    assert Incident.objects.get().action == took
    assert root().startswith("Resolved: ")
    for message in Outbox.objects.exclude(kind="FIRING"):
        assert str(message.payload["blocks"]).count(f"*What the machine did*\\n{took}") == 1
        assert "Sluice takes" not in str(message.payload)


def test_why_it_is_over_is_not_what_the_machine_did() -> None:
    fire(action="took its weight to 0")
    clear()
    said = str(posts()[-1].payload["blocks"])
    assert "*What the machine did*\\ntook its weight to 0" in said
    assert "• no errors" in said


def test_the_incident_and_its_root_follow_the_figures_once_a_minute() -> None:
    fire()
    for second in range(5, 200, 5):
        errors = f"{second} %"
        now = NOW + timedelta(seconds=second)
        fire(now=now, numbers={"first-attempt errors": errors}, summary=f"shop-v2 fails {errors}")
        incident = Incident.objects.get()
        assert (incident.numbers, incident.title) == (
            {"first-attempt errors": errors},
            f"shop-v2 fails {errors}",
        )
        Outbox.objects.filter(op="update").update(state="SENT")
        assert Outbox.objects.filter(op="update").count() <= 1
    assert root().startswith("shop-v2 fails 180 %")
    assert TimelineEntry.objects.count() == 1


def test_an_incident_follows_the_figures_of_the_alert_that_it_speaks_for() -> None:
    fire(summary="the first burns")
    fire(rule="other", summary="the second burns", cause="retry_storm")
    fire(rule="other", summary="the second burns more", cause="retry_storm", now=NOW + timedelta(minutes=2))
    assert Incident.objects.get().title == "the first burns"
    assert not Outbox.objects.filter(op="update", created_at__gt=NOW).exists()


def test_a_message_leads_to_the_pages_about_it_and_to_the_silence(settings: Any) -> None:
    settings.BASE_URL = "https://sluice.test"

    number = fire(links=[("Objective shop", "/objectives/7/")])

    (post,) = posts()
    said = str(post.payload["blocks"])
    assert "<https://sluice.test/objectives/7/|Objective shop>" in said
    assert f"<https://sluice.test/incidents/{number}#act-silence|Silence>" in said

    services.resolve(incident_id=number, by=ANN, reason="done", now=NOW + timedelta(minutes=1))
    assert "act-silence" not in str(posts()[-1].payload["blocks"])


def test_a_page_takes_its_tickets_incident_over() -> None:
    ticket = fire(rule="slo_ticket", cause="slo_ticket", severity="ticket", summary="shop burns slowly")

    page = fire(rule="slo_burn", cause="slo_burn", summary="shop burns fast", links=[("Now", "/now")])

    incident = selectors.incident(page)
    assert incident is not None
    assert (page, incident.severity, incident.title) == (ticket, "page", "shop burns fast")
    assert Incident.objects.get().links == [["Now", "/now"]]


def test_what_fired_in_a_tier_is_not_what_fired_in_another() -> None:
    fire()
    fire(labels={"tier": "inner", "route": "shop"})

    def fired(tier: str = "") -> list[str]:
        hour = timedelta(hours=1)
        found = selectors.fired(rules=["canary-failed"], since=NOW - hour, until=NOW + hour, tier=tier)
        return [row.tier for row in found]

    assert fired("inner") == ["inner"]
    assert fired() == ["edge", "inner"]
