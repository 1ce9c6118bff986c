"""Workers that die, stall or come twice, and a tier that cannot be looked at."""

from datetime import timedelta

import pytest

import proxy.selectors
import proxy.services
from proxy.models import Revision
from runbooks import services
from runbooks.domain.measures import Measure
from runbooks.models import Measurement, Run, Step
from runbooks.services import acting, conducting
from runbooks.services.looking import Look, Round
from runbooks.services.moving import Overtaken
from runbooks.services.watched import kept_by
from tests.proxy.factories import document
from tests.runbooks.world import ANN, asking, holding, world

pytestmark = pytest.mark.django_db


def test_a_worker_that_died_after_the_intent_is_repaired_by_the_next_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    w.mode("auto")
    w.storm()

    def killed(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            w.ticks(10)
    assert (w.states(), w.live()) == (["MITIGATING"], [])
    w.until("VERIFYING")
    assert w.live() == ["route/shop/retry"]


def test_a_worker_that_was_killed_with_its_claim_is_repaired_while_the_intent_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world(ack_within="10s")
    w.mode("auto")
    w.storm()

    def killed(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            w.ticks(10)
    Run.objects.update(claim_token="dead", claimed_until=w.now + conducting.CLAIM)
    w.until("VERIFYING", rounds=4, seconds=3)
    assert w.live() == ["route/shop/retry"]


def test_an_intent_that_has_grown_old_is_not_acted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world()
    w.mode("auto")
    w.storm()

    def killed(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            w.ticks(10)
    w.tick(60)
    w.until("FAILED_REVERTED")
    assert w.live() == []


def test_a_worker_that_stalled_before_its_write_is_stopped_by_a_cancel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    w.mode("auto")
    w.storm()

    def killed(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acting, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            w.ticks(10)
    stalled = Run.objects.get()
    services.cancel(run_id=stalled.pk, by=ANN, reason="stop", now=w.now)
    look = Look(Round(w.now, w.admin), Measure(at=w.now), kept_by(stalled))
    with pytest.raises(Overtaken):
        conducting.STATES["MITIGATING"](stalled, look)
    assert w.live() == []
    w.until("CANCELLED")


def test_an_expired_overlay_ends_the_run_though_no_worker_lived() -> None:
    w = holding()
    w.tick(3600)
    w.until("SUCCEEDED")
    assert w.run().steps[-2].why == "its time is over"


def test_two_rounds_at_once_move_a_run_once() -> None:
    w = asking()
    Run.objects.update(claim_token="another", claimed_until=w.now + timedelta(seconds=5))
    before = Step.objects.count()
    w.ticks(2)
    assert Step.objects.count() == before
    assert Measurement.objects.count() > 0
    w.until("EXPIRED")


def test_a_tier_that_cannot_be_looked_at_keeps_no_run_from_its_end() -> None:
    w = holding()
    other = document()
    other["tiers"][0] |= {"name": "broken"}
    proxy.services.apply(document=other, by=ANN, reason="test", now=w.now)
    Revision.objects.filter(tier__name="broken").update(document={})
    w.until("SUCCEEDED", rounds=80)
    assert w.live() == []
