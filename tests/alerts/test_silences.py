"""What a silence holds back, and what is told when it ends."""

import pytest

from alerts import services
from alerts.models import Incident, Outbox
from tests.alerts.factories import ANN, NOW, at, clear, incident, signal, storm, texts

pytestmark = pytest.mark.django_db

SHOP = {"tier": "edge", "route": "shop"}


def silence(number: int, *, minutes: float = 60) -> int:
    return services.silence(incident_id=number, until=at(minutes), by=ANN, reason="known", now=NOW)


def test_what_is_still_open_when_its_silence_ends_is_told_again_once() -> None:
    silence(storm())
    assert services.expire_silences(now=at(59)) == 0
    assert services.expire_silences(now=at(60)) == 1
    services.expire_silences(now=at(61))
    assert [text.startswith("Still open: retry-storm") for text in texts()] == [False, True]
    assert Outbox.objects.filter(op="post").latest("id").payload["broadcast"]


def test_what_opened_under_a_silence_of_the_tier_is_told_in_full_when_it_ends() -> None:
    silence(signal("overload", "cpu", {"tier": "edge"}))
    number = storm(now=at(1))
    services.expire_silences(now=at(60))
    row = Outbox.objects.get(incident=number, op="post")
    assert row.payload["text"].startswith("retry-storm")


def test_what_ended_under_a_silence_is_not_told() -> None:
    silence(storm())
    clear("retry-storm", SHOP, now=at(5))
    services.expire_silences(now=at(60))
    assert not any(text.startswith("Still") for text in texts())


def test_another_silence_over_the_same_target_still_holds_it_back() -> None:
    number = storm()
    silence(number)
    silence(number, minutes=120)
    services.expire_silences(now=at(60))
    assert len(texts()) == 1
    services.expire_silences(now=at(120))
    assert len(texts()) == 2


def test_a_signal_of_the_last_moment_that_is_committed_late_is_told_all_the_same() -> None:
    silence(storm())
    services.expire_silences(now=at(60))
    Outbox.objects.all().delete()
    # Another alert of the same target: judged under the silence, committed after its end was seen.
    signal("slo_burn", "slo_burn", SHOP, now=at(59.99))
    assert texts() == []
    assert Incident.objects.get().untold
    services.expire_silences(now=at(60.02))
    assert len(texts()) == 1


def test_ending_a_silence_by_hand_tells_at_the_next_look() -> None:
    number = storm()
    which = silence(number)
    services.unsilence(silence_id=which, by=ANN, reason="let us see", now=at(1))
    services.expire_silences(now=at(1))
    assert len(texts()) == 2
    with pytest.raises(services.UnknownSilence):
        services.unsilence(silence_id=99, by=ANN, reason="", now=at(1))


def test_what_somebody_has_is_told_again_but_calls_nobody() -> None:
    number = storm()
    services.acknowledge(incident_id=number, by=ANN, reason="mine", now=NOW)
    silence(number)
    services.expire_silences(now=at(60))
    assert (incident(number).pages, len(texts())) == (1, 2)
