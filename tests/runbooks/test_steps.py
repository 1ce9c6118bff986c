"""Steps of a remedy: in their order, once, taken back newest first, whatever fails in the middle."""

from datetime import timedelta
from typing import Any

import pytest

import alerts.selectors
import audit.selectors
import proxy.selectors
from runbooks import services, texts
from runbooks.domain.measures import Measure
from runbooks.models import Act
from runbooks.services import calling
from runbooks.services.planning import NoPlan, draft
from runbooks.services.watched import now_on
from tests.runbooks.stepping import RETRY_OFF, SLUG, TELL, cancel, dies, storming, webhook
from tests.runbooks.world import ANN

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver_beside")]


def test_steps_are_done_in_their_order_and_taken_back_when_it_is_over() -> None:
    w = storming(TELL, RETRY_OFF, webhook("a"), webhook("b", undo=False))
    w.until("VERIFYING")
    assert w.receiver.done == ["a", "b"]
    assert w.live() == ["route/shop/retry"]
    assert w.events()[3:-1] == ["intend", "did", "put", "intend", "did", "intend", "did"]
    w.retries_off()
    w.until("HOLDING")
    w.healthy()
    w.until("SUCCEEDED", rounds=60)
    assert w.receiver.done == ["a", "b", "un-a"]
    assert w.live() == []
    assert [phase for _, phase, _ in w.acts()] == ["do", "do", "do", "undo"]
    why, undone = (w.receiver.why[f"sluice-run-{w.run().id}-step-2-{phase}"] for phase in ("do", "undo"))
    assert why.startswith("mode auto; 80.0 % retries per first attempt")
    assert undone == w.run().why


def test_what_stands_behind_an_overlay_waits_until_every_proxy_obeys_it() -> None:
    w = storming(RETRY_OFF, webhook())
    w.acking = False
    w.until("MITIGATING")
    w.ticks(2)
    assert (w.acts(), w.receiver.done) == ([], [])
    w.acking = True
    w.until("VERIFYING")
    assert w.receiver.done == ["a"]


def test_the_plan_says_each_step_and_what_nothing_takes_back() -> None:
    w = storming(TELL, RETRY_OFF, webhook("a"), webhook("b", undo=False, repeatable=False), mode="approve")
    plan = w.until("AWAITING_APPROVAL").plan
    assert plan is not None
    assert (
        "then call http://127.0.0.1:1/do, then call http://127.0.0.1:1/do, once and never again"
        in plan.summary
    )
    assert "nothing takes back: call http://127.0.0.1:1/do, once" in plan.undo
    assert "tell" not in plan.undo
    assert (w.acts(), w.receiver.done) == ([], [])


def test_a_step_that_fails_takes_back_those_before_it_in_reverse_order() -> None:
    w = storming(webhook("a"), webhook("b"), RETRY_OFF, webhook("c"))
    w.receiver.refuses = {"c"}
    w.until("FAILED_REVERTED")
    assert w.receiver.done == ["a", "b", "un-b", "un-a"]
    assert w.live() == []
    assert "HTTP 403" in w.run().why


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_dies_while_it_sends_never_does_it_twice(when: str, repeatable: bool) -> None:
    w = storming(webhook(repeatable=repeatable))
    w.receiver.keyed = repeatable
    setattr(w.receiver, when, dies)
    state = "VERIFYING" if repeatable else "NEEDS_HUMAN"
    w.until(state, rounds=60)
    assert w.receiver.done == (["a"] if repeatable or when == "after" else [])
    assert max(w.receiver.came.values(), default=0) == (
        2 if repeatable and when == "after" else when == "after" or repeatable
    )


def test_a_worker_that_dies_between_intent_and_sending_leaves_it_to_the_next() -> None:
    w = storming(webhook(repeatable=False))
    w.receiver.mode = "refused connection"
    w.until("MITIGATING")
    w.tick()
    assert w.acts() == [("webhook", "do", "due")]
    w.receiver.mode = "ok"
    w.until("VERIFYING")
    assert w.receiver.done == ["a"]


@pytest.mark.parametrize("mode", ["silent", "lost", "unavailable"])
def test_an_unknown_outcome_needs_a_person_and_is_not_repeated(mode: str) -> None:
    w = storming(webhook(repeatable=False))
    w.receiver.mode = mode
    w.until("NEEDS_HUMAN")
    w.receiver.mode = "ok"
    w.ticks(20)
    assert w.states()[0] == "NEEDS_HUMAN"
    assert sum(w.receiver.came.values()) == 1
    assert [m.kind for m in alerts.selectors.messages() if m.kind == "NEEDS_HUMAN"] == ["NEEDS_HUMAN"]


@pytest.mark.parametrize(("became", "undone"), [("happened", ["un-a"]), ("not_happened", [])])
def test_a_person_says_what_became_of_it_and_the_run_goes_on(became: Any, undone: list[str]) -> None:
    w = storming(webhook(repeatable=False))
    w.receiver.mode = "lost"
    w.until("NEEDS_HUMAN")
    w.receiver.mode = "ok"
    services.settle(
        run_id=w.run().id, place=0, phase="do", became=became, by=ANN, reason="asked ops", now=w.now
    )
    w.until("FAILED_REVERTED")
    assert w.receiver.done == undone
    with pytest.raises(services.NothingAsked):
        services.settle(run_id=w.run().id, place=0, phase="do", became=became, by=ANN, reason="", now=w.now)


def test_what_is_repeatable_is_taken_back_though_nobody_knows_whether_it_was_done() -> None:
    w = storming(webhook(deadline="6s"))
    w.receiver.mode = "lost"
    w.until("REVERTING", rounds=60)
    w.receiver.mode = "ok"
    w.until("FAILED_REVERTED", rounds=60)
    assert w.receiver.done == ["un-a"]


def test_past_its_deadline_what_never_left_is_no_riddle() -> None:
    w = storming(webhook(repeatable=False, deadline="6s"))
    w.receiver.mode = "refused connection"
    w.until("FAILED_REVERTED", rounds=60)
    assert "nothing was sent" in w.run().why


@pytest.mark.parametrize("stop", ["cancel", "kill switch"])
def test_what_is_stopped_in_the_middle_is_taken_back_and_nothing_more_is_sent(
    stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = storming(webhook("a"), webhook("b"))

    def stopped() -> None:
        if stop == "cancel":
            cancel(w)
        else:
            services.set_kill_switch(on=True, by=ANN, reason="", now=w.now)

    # A hook of the receiver writes rows: it needs the thread that reads them.
    monkeypatch.setattr(calling, "asked", lambda ask, of: [ask(each) for each in of])
    w.receiver.after = stopped
    w.until("CANCELLED" if stop == "cancel" else "FAILED_REVERTED", rounds=60)
    assert w.receiver.done == ["a", "un-a"]


def test_a_worker_that_died_in_the_middle_of_a_run_that_is_stopped_leaves_nothing_behind() -> None:
    w = storming(webhook("a"))
    w.receiver.after = dies
    for _ in range(20):
        w.tick()
        if w.receiver.done:
            break
    cancel(w)
    w.until("CANCELLED", rounds=60)
    assert w.receiver.done == ["a", "un-a"]


def test_what_may_have_arrived_is_taken_back_when_the_run_is_stopped() -> None:
    w = storming(webhook("a"))
    w.receiver.mode = "silent"
    for _ in range(20):
        w.tick()
        if w.receiver.done:
            break
    cancel(w)
    w.receiver.mode = "ok"
    w.until("CANCELLED", rounds=60)
    assert w.receiver.done == ["a", "un-a"]


def test_a_call_is_claimed_once_and_only_while_its_run_wants_it() -> None:
    w = storming(webhook(repeatable=False))
    w.receiver.mode = "refused connection"
    w.until("MITIGATING")
    w.ticks(2)
    one, other, late = (Act.objects.select_related("run").get() for _ in range(3))
    assert (calling._claim(one, w.now), calling._claim(other, w.now)) == (True, False)
    Act.objects.update(state="due", claim_token="", attempts=late.attempts)
    cancel(w)
    assert not calling._claim(late, w.now)


def test_what_is_stopped_before_it_is_sent_is_never_sent() -> None:
    w = storming(webhook())
    w.receiver.mode = "refused connection"
    w.until("MITIGATING")
    w.tick()
    cancel(w)
    w.receiver.mode = "ok"
    w.until("CANCELLED")
    assert (w.receiver.done, w.acts()) == ([], [("webhook", "do", "dropped")])


def test_an_undo_that_is_refused_needs_a_person_who_closes_the_run() -> None:
    w = storming(webhook())
    w.until("VERIFYING")
    w.receiver.mode = "refuse"
    cancel(w)
    w.until("NEEDS_HUMAN")
    w.ticks(5)
    assert w.states()[0] == "NEEDS_HUMAN"
    cancel(w)
    assert w.states()[0] == "CANCELLED"


def test_every_call_is_audited() -> None:
    w = storming(webhook())
    w.until("VERIFYING")
    (entry,) = audit.selectors.entries(action="call.done")
    assert (entry.reason, entry.detail["attempts"], entry.target) == ("HTTP 200: done", 1, "edge/route/shop")


def test_a_call_that_could_never_be_sent_is_told_instead_of_a_plan() -> None:
    w = storming(webhook(url="http://elsewhere.test/"))
    w.until("SUPPRESSED")
    assert "elsewhere.test/ cannot be called: elsewhere.test is no listed host" in w.run().why


SCALE = {
    "do": "scale",
    "url": "http://127.0.0.1:1/scale",
    "secret": "ops",
    "body": {"service": "$route"},
    "instances": "first",
    "load": "share",
    "target": 0.5,
    "at_most": 150,
}


def test_scaling_asks_for_what_the_load_needs_and_gives_it_back() -> None:
    w = storming(SCALE)
    w.until("VERIFYING")
    # 100 x 0.8 / 0.5 = 160, of which 150 are allowed.
    assert w.receiver.done == [150]
    assert "ask http://127.0.0.1:1/scale for 150 instances instead of 100" in w.run().plan.summary  # type: ignore[union-attr]
    cancel(w)
    w.until("CANCELLED")
    assert w.receiver.done == [150, 100]


def test_scaling_waits_for_what_was_asked_for_before() -> None:
    w = storming({**SCALE, "cooldown": "20m"})
    w.until("VERIFYING")
    cancel(w)
    w.until("CANCELLED")
    tier = proxy.selectors.base("edge")
    watched = now_on(SLUG, texts.automated()[SLUG], tier)
    measured = Measure(at=w.now, values={"first": 100.0, "share": 0.8})
    with pytest.raises(NoPlan, match=f"run {w.run().id} asked for instances at"):
        draft(tier, watched, "shop", measured, now=w.now)
    later = w.now + timedelta(minutes=21)
    assert draft(tier, watched, "shop", measured, now=later).steps[0].said["body"]["instances"] == 150


def test_draining_takes_the_endpoint_out_and_puts_it_back() -> None:
    drain = {"do": "drain_endpoint", "upstream": "shop-v1", "endpoint": "127.0.0.1:11001"}
    w = storming(drain)
    w.until("VERIFYING")
    assert w.live() == ["upstream/shop-v1/endpoints"]
    cancel(w)
    w.until("CANCELLED")
    assert w.live() == []
