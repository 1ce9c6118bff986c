"""The marks of a tier's charts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import alerts.services
import audit.services
import proxy.services
from slo.marks import changes
from tests.pages import world
from tests.proxy.factories import document
from tests.support.people import BY

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=30)


def names(route: str | None = None) -> set[str]:
    return {mark.name for mark in changes("edge", route, since=SINCE)}


def put(target: str, **detail: Any) -> None:
    audit.services.record(
        by=BY, action="overlay.put", target=target, reason="", now=NOW, detail={"owner": "ann", **detail}
    )


def test_revisions_rollouts_overlays_and_incidents_are_marked() -> None:
    proxy.services.apply(document=document(), by=BY, reason="", now=NOW, gate=lambda tier: [])
    world.rollout(NOW, ticks=0)
    incident = world.incident(NOW)
    put("edge/route/payments/retry")

    assert names() == {"revision 1", "rollout", "overlay", f"incident {incident}"}


def test_a_route_has_its_own_marks_and_every_revision() -> None:
    proxy.services.apply(document=document(), by=BY, reason="", now=NOW, gate=lambda tier: [])
    world.rollout(NOW, ticks=0)
    put("edge/route/payments/retry")

    assert names("payments") == {"revision 1", "overlay"}


def test_what_a_rollout_lays_is_marked_once_as_the_rollout() -> None:
    put("edge/route/shop/weights", owner="rollout/3")

    assert names() == set()


def test_another_tier_whose_name_begins_alike_is_no_mark() -> None:
    put("edge2/route/shop/retry")

    assert names() == set()


def test_what_is_older_than_the_chart_is_no_mark() -> None:
    alerts.services.signal(
        rule="canary", labels={"tier": "edge"}, severity="page", originator="proxy", summary="", numbers={},
        action="", runbook="", cause="canary", by=BY, now=SINCE - timedelta(seconds=1),
    )  # fmt: skip

    assert names() == set()
