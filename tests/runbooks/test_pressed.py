"""A run's buttons: the plan that was shown, by whoever may, and gone once they are answered."""

from datetime import timedelta

import pytest

import audit.selectors
from access.domain.roles import Role
from alerts.models import Outbox
from runbooks import services
from runbooks.models import Act
from tests.alerts.pressing import buttons, linked, press, shown
from tests.runbooks.stepping import RETRY_OFF, Stepping, stepping
from tests.runbooks.world import ANN, World, asking, holding

pytestmark = pytest.mark.django_db

APPROVE, DENY, CANCEL = "run.approve", "run.deny", "run.cancel"


def asked() -> Outbox:
    return Outbox.objects.filter(kind="APPROVAL").latest("id")


def changed(row: Outbox) -> str:
    """What the message says where its buttons were: as it will be sent, or as it is changed."""
    row.refresh_from_db()
    update = Outbox.objects.filter(of=row.key).first() or row
    assert buttons(update) == []
    return str(update.payload["blocks"][-1]["elements"][0]["text"])


def test_a_request_for_approval_offers_yes_and_no() -> None:
    asking()
    assert buttons(asked()) == [APPROVE, DENY]
    assert "confirm" in shown(APPROVE)


def test_approved_in_slack_it_acts_and_says_who_approved() -> None:
    w = asking()
    linked()
    assert press(APPROVE, now=w.now).done
    w.until("MITIGATING")

    (approval,) = w.run().approvals
    assert approval.by == "ann"
    entry = audit.selectors.entries(action="run.approve")[0]
    assert (entry.actor, entry.source) == ("ann", "slack")
    assert "by ann in Slack" in changed(asked())


def test_denied_in_slack_it_ends() -> None:
    w = asking()
    linked()
    assert press(DENY, now=w.now).done
    assert w.run().state == "DENIED"
    assert "denied by ann in Slack" in changed(asked())


def test_yes_and_no_at_once_is_the_first_of_them() -> None:
    w = asking()
    linked()
    linked(name="bob", slack_id="U2BOB")
    no = shown(DENY)["value"]
    press(APPROVE, now=w.now)
    late = press(DENY, now=w.now, slack_id="U2BOB", nonce=no)
    assert late.words == "Nothing was done: cannot deny: the run is confirming."


def test_a_yes_counts_once() -> None:
    w = asking()
    linked()
    nonce = shown(APPROVE)["value"]
    assert press(APPROVE, now=w.now, nonce=nonce).done
    assert not press(APPROVE, now=w.now, nonce=nonce).done
    assert len(w.run().approvals) == 1


def test_a_yes_is_for_the_plan_that_was_shown() -> None:
    w = asking()
    linked()
    number = w.run().id
    nonce = shown(APPROVE)["value"]
    from_then = w.run().plan_hash
    services.approve(run_id=number, plan_hash=from_then, by=ANN, reason="go", now=w.now)
    assert not press(APPROVE, now=w.now, nonce=nonce).done


def test_where_two_have_to_say_yes_the_button_goes_on_for_the_second() -> None:
    w = asking(approvals=2)
    linked()
    linked(name="bob", slack_id="U2BOB")
    nonce = shown(APPROVE)["value"]
    first = press(APPROVE, now=w.now, nonce=nonce)
    assert first.words.endswith("waits for the word of somebody else, too.")
    assert buttons(asked()) == [APPROVE, DENY]
    assert "approved by ann in Slack" in str(asked().payload["blocks"])

    again = press(APPROVE, now=w.now, nonce=nonce)
    assert again.words.startswith("Nothing was done: you have approved it already")
    assert press(APPROVE, now=w.now, slack_id="U2BOB", nonce=nonce).words.startswith("Approved")
    assert w.run().state == "CONFIRMING"
    assert "by bob in Slack" in changed(asked())


def test_after_the_time_to_approve_the_button_does_nothing() -> None:
    w = asking()
    linked()
    late = press(APPROVE, now=w.now + timedelta(seconds=60))
    assert late.words.startswith("Nothing was done: the time for this is over")
    assert w.run().state == "AWAITING_APPROVAL"


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_a_viewer_approves_nothing(role: Role | None) -> None:
    w = asking()
    linked(role)
    assert not press(APPROVE, now=w.now).done
    assert w.run().state == "AWAITING_APPROVAL"


def approved_on_the_page() -> World:
    w = asking()
    w.approve()
    return w


def expired() -> World:
    w = asking()
    w.until("EXPIRED", rounds=60)
    return w


@pytest.mark.parametrize(("how", "said"), [(approved_on_the_page, "by ann at"), (expired, "expired at")])
def test_whoever_answers_it_the_buttons_go(how: object, said: str) -> None:
    assert callable(how)
    how()
    assert said in changed(asked())


def test_what_acts_is_cancelled_and_reverted_from_its_message() -> None:
    w = holding()
    linked()
    assert press(CANCEL, now=w.now).done
    w.until("CANCELLED")
    assert w.live() == []
    entry = audit.selectors.entries(action="run.revert")[0]
    assert (entry.actor, entry.source) == ("ann", "slack")


def test_a_run_that_is_over_offers_nothing() -> None:
    w = holding()
    w.healthy()
    w.until("SUCCEEDED")
    assert not Outbox.objects.filter(key__startswith=f"run/{w.run().id}/", offers=True).exists()


def questioned() -> Stepping:
    w = stepping({"do": "ask", "text": "Really on $route?"}, RETRY_OFF)
    w.storm()
    w.until("MITIGATING")
    w.ticks(2)
    return w


@pytest.mark.parametrize(("action", "state"), [("run.yes", "VERIFYING"), ("run.no", "FAILED_REVERTED")])
def test_the_question_of_a_step_is_answered_from_its_message(action: str, state: str) -> None:
    w = questioned()
    linked()
    question = Outbox.objects.get(key=Act.objects.get().key)
    assert buttons(question) == ["run.yes", "run.no"]

    assert press(action, now=w.now).done
    assert f"{action.removeprefix('run.')}, says ann" in changed(question)
    w.until(state, rounds=60)


def test_a_question_that_nobody_asks_any_more_is_answered_by_nobody() -> None:
    w = questioned()
    linked()
    nonce = shown("run.yes")["value"]
    services.cancel(run_id=w.run().id, by=ANN, reason="enough", now=w.now)
    assert "reverting by ann" in changed(Outbox.objects.get(key=Act.objects.get().key))
    assert not press("run.yes", now=w.now, nonce=nonce).done
