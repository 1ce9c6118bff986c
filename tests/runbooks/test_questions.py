"""What a run asks people, and what they say of its steps."""

import pytest
from django.test import Client

import alerts.selectors
from access.domain.roles import Role
from runbooks import services
from runbooks.domain.states import WrongState
from runbooks.models import Act
from tests.runbooks.stepping import RETRY_OFF, cancel, storming, webhook
from tests.runbooks.world import ANN
from tests.support.people import bearer, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver_beside")]


def test_a_question_is_answered_with_yes_and_the_run_goes_on() -> None:
    w = storming({"do": "ask", "text": "Really on $route?"}, RETRY_OFF)
    w.until("MITIGATING")
    w.ticks(2)
    assert w.live() == []
    question = alerts.selectors.message(Act.objects.get().key)
    assert question is not None
    assert (question.kind, "Really on shop?" in question.text) == ("APPROVAL", True)
    services.answer(run_id=w.run().id, place=0, yes=True, by=ANN, reason="sure", now=w.now)
    w.until("VERIFYING")
    assert w.live() == ["route/shop/retry"]
    with pytest.raises(WrongState):
        services.answer(run_id=w.run().id, place=0, yes=False, by=ANN, reason="", now=w.now)


@pytest.mark.parametrize("said", ["no", "nothing"])
def test_no_and_no_answer_in_time_take_back_what_was_done(said: str) -> None:
    w = storming(RETRY_OFF, {"do": "ask", "text": "Go on?", "within": "20s"}, webhook())
    for _ in range(20):
        w.tick()
        if Act.objects.filter(kind="ask").exists():
            break
    assert w.live() == ["route/shop/retry"]
    if said == "no":
        services.answer(run_id=w.run().id, place=1, yes=False, by=ANN, reason="no", now=w.now)
    w.until("FAILED_REVERTED", rounds=60)
    assert (w.live(), w.receiver.done) == ([], [])
    assert ("no, says ann" if said == "no" else "nobody answered in time") in w.run().why


def test_the_page_and_the_api_answer_a_question(client: Client) -> None:
    w = storming({"do": "ask", "text": "Really on $route?"}, {"do": "ask", "text": "And now?"})
    w.until("MITIGATING")
    w.ticks(2)
    number = w.run().id
    client.force_login(person(Role.OPERATOR, "op"))
    page = client.get(f"/runs/{number}/").content.decode()
    assert 'id="act-yes-0"' in page
    assert "Really on shop?" in page
    client.post(f"/runs/{number}/answer/", {"place": 0, "answer": "yes", "reason": "sure"})
    w.ticks(2)
    api, operator = f"/api/v1/runs/{number}", bearer(Role.OPERATOR)
    acts = client.get(f"{api}/acts", headers=operator).json()
    assert [(act["state"], act["question"]) for act in acts] == [("done", ""), ("due", "And now?")]
    given = {"place": 1, "answer": "no", "reason": "not now"}
    assert client.post(f"{api}/answer", given, content_type="application/json", headers=operator).json()
    w.until("FAILED_REVERTED")
    again = client.post(f"{api}/answer", given, content_type="application/json", headers=operator)
    assert again.status_code == 409


def test_the_page_settles_what_nobody_knows(client: Client) -> None:
    w = storming(webhook(repeatable=False))
    w.receiver.mode = "lost"
    w.until("NEEDS_HUMAN")
    number = w.run().id
    client.force_login(person(Role.OPERATOR, "op"))
    assert 'id="act-not-happened-do-0"' in client.get(f"/runs/{number}/").content.decode()
    given = {"place": 0, "phase": "do", "became": "not_happened", "reason": "asked ops"}
    client.post(f"/runs/{number}/settle/", given)
    w.until("FAILED_REVERTED")
    assert "not happened, says op: asked ops" in client.get(f"/runs/{number}/").content.decode()


def test_a_run_that_is_stopped_while_it_asks_ends() -> None:
    w = storming({"do": "ask", "text": "Go on?"})
    w.until("MITIGATING")
    w.ticks(2)
    cancel(w)
    w.until("CANCELLED")
    assert w.acts() == [("ask", "do", "dropped")]


def test_an_overlay_outlives_a_long_question_behind_it() -> None:
    w = storming(RETRY_OFF, {"do": "ask", "text": "Go on?", "within": "1h"})
    w.until("MITIGATING")
    w.ticks(3)
    w.tick(1800)
    assert w.live() == ["route/shop/retry"]
    services.answer(run_id=w.run().id, place=1, yes=True, by=ANN, reason="", now=w.now)
    w.until("VERIFYING")
