"""Whose durations hold: the text's, the tier's, a person's."""

from datetime import timedelta

import pytest

import alerts.selectors
import alerts.services
import proxy.selectors
import proxy.services
from runbooks import selectors, services
from runbooks.domain.policy import Policy
from tests.proxy.factories import document
from tests.runbooks.world import ANN, World, asking, world

pytestmark = pytest.mark.django_db


def declare(w: World, **policy: str | float) -> None:
    declared = document()
    declared["tiers"][0]["runbooks"] = {"retry-storm": {"mode": "auto", "policy": policy}}
    proxy.services.apply(document=declared, by=ANN, reason="test", now=w.now)


def policy_now() -> Policy:
    return selectors.policy(runbook="retry-storm", tier=proxy.selectors.base("edge"))


def test_a_tier_declares_its_policy_and_a_person_overrules_it() -> None:
    w = world()
    declare(w, hold_for="3m", retry_share=0.4)
    made = policy_now()
    assert (made.thresholds["retry_share"], made.hold_for) == (0.4, timedelta(minutes=1))


def test_a_declared_policy_that_cannot_be_is_not_used_and_makes_a_ticket() -> None:
    w = world()
    declare(w, retry_share=0.4, hold_fro="3m")
    w.tick()
    assert policy_now().thresholds["retry_share"] == 0.2
    (incident,) = alerts.selectors.open_incidents()
    assert (incident.severity, "hold_fro" in incident.title) == ("ticket", True)
    declare(w, retry_share=0.4)
    w.tick()
    assert alerts.selectors.open_incidents() == []


def test_an_edit_never_changes_a_run_under_way() -> None:
    w = asking()
    services.set_policy(
        runbook="retry-storm", tier="edge", policy={"hold_for": "1h"}, by=ANN, reason="", now=w.now
    )
    kept = w.run().policy
    assert kept is not None
    assert kept.hold_for == timedelta(minutes=1)
