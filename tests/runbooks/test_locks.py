"""A person and a worker at once on one run: both end, and the person's word holds."""

from collections.abc import Callable

import pytest
from django.db import transaction

from runbooks import services
from runbooks.domain.measures import Measure
from runbooks.models import Run
from runbooks.services import conducting
from runbooks.services.looking import Look, Round
from runbooks.services.moving import Overtaken
from runbooks.services.watched import kept_by
from tests.runbooks.world import ANN, World, world
from tests.support.rivals import Rival, two_writers

pytestmark = [two_writers, pytest.mark.django_db(transaction=True)]


def deciding() -> World:
    """Approved, and about to be confirmed again."""
    made = world()
    made.storm()
    made.until("AWAITING_APPROVAL")
    made.approve()
    made.ticks(2, seconds=1)
    return made


def putting() -> World:
    """Decided; its overlays are not laid yet."""
    made = world()
    made.mode("auto")
    made.storm()
    made.until("VERIFYING")
    Run.objects.update(state="MITIGATING", generation=None)
    return made


@pytest.mark.parametrize("ready", [deciding, putting])
def test_a_person_cancels_while_a_worker_moves_the_run(ready: Callable[[], World]) -> None:
    w = ready()
    run = Run.objects.get()
    watched = kept_by(run)
    w.now += watched.judge.policy.confirm_for
    look = Look(Round(w.now, w.admin), Measure(at=w.now), watched)
    rival = Rival(lambda: conducting.STATES[run.state](run, look))
    with transaction.atomic():
        Run.objects.select_for_update().get(pk=run.pk)
        rival.start()
        rival.until_it_waits()
        services.cancel(run_id=run.pk, by=ANN, reason="stop", now=w.now)
    assert isinstance(rival.ended(), Overtaken)
    w.until("CANCELLED")
    assert w.live() == []
