"""A cause that explains others holds their runbooks back while somebody is at it, and no longer."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import alerts.services
import proxy.selectors
from alerts.models import Alert
from canary.models import Rollout
from proxy.domain.tier import Tier
from proxy.models import Route
from runbooks import selectors
from runbooks.domain import policy as policies
from runbooks.models import Run
from runbooks.services import parents
from runbooks.services.watched import Watched, now_on
from runbooks.texts import built_in
from tests.alerts.factories import RUNBOOKS
from tests.runbooks.world import START, World, world

pytestmark = pytest.mark.django_db
LATER = START + parents.DECIDES_WITHIN


def fires(cause: str = "brownout", *, runbook: str = "brownout", **labels: str) -> int:
    about = labels or {"upstream": "shop-v1"}
    return alerts.services.signal(
        rule=f"watch-{cause}",
        labels={"tier": "edge", **about},
        severity="ticket",
        originator="unknown",
        summary=f"{cause} seen",
        numbers={},
        action="Nothing: mode observe",
        runbook=runbook,
        cause=cause,
        by=RUNBOOKS,
        now=START,
    )


def parent(*, now: datetime = LATER) -> str:
    """What the storm on shop is laid to."""
    tier = proxy.selectors.base("edge")
    return parents.parent(tier, watching(tier), "shop", {"route": "shop"}, now=now)


def watching(tier: Tier) -> Watched:
    definition = built_in()["retry-storm"].definition
    assert definition is not None
    return now_on("retry-storm", definition, tier)


def run_of(incident: int, *, runbook: str = "brownout", state: str = "AWAITING_APPROVAL") -> Run:
    return Run.objects.create(
        runbook=runbook,
        tier="edge",
        scope="upstream",
        subject="shop-v1",
        state=state,
        incident_id=incident,
        why="seen",
        policy=policies.as_data(policies.Policy()),
        started_at=START,
        entered_at=START,
    )


def rollout_of(incident: int) -> Rollout:
    return Rollout.objects.create(
        route=Route.objects.get(name="shop"),
        tier="edge",
        route_name="shop",
        upstream="shop-v2",
        base={},
        plan={},
        mode="auto",
        created_at=START,
        state="rolling_back",
        weight=0,
        reason="it fails",
        next_wakeup_at=START,
        incident=incident,
    )


def test_what_merely_tells_of_a_cause_holds_no_run_back_for_ever() -> None:
    w = world()
    w.mode("auto")
    fires()
    w.storm()
    w.until("SUPPRESSED")
    assert w.run().why == "a consequence of brownout, which is being handled"
    w.until("VERIFYING", rounds=60)
    assert w.now - START <= parents.DECIDES_WITHIN + timedelta(seconds=12)
    assert w.live() == ["route/shop/retry"]


def test_a_new_cause_counts_until_its_own_runbook_has_had_time() -> None:
    world()
    fires()
    assert parent(now=LATER - timedelta(seconds=1)) == "brownout"
    assert parent(now=LATER) == ""


def test_a_cause_counts_while_a_run_of_its_runbook_is_open_on_its_incident() -> None:
    world()
    run = run_of(fires())
    assert parent() == "brownout"
    Run.objects.filter(pk=run.pk).update(state="EXPIRED")
    assert parent() == ""


def test_the_run_of_another_runbook_in_the_incident_is_not_about_the_cause() -> None:
    world()
    run_of(fires(), runbook="retry-storm")
    assert parent() == ""


def test_a_canary_counts_while_its_rollout_goes_on() -> None:
    world()
    number = fires("canary", runbook="canary-rolled-back", route="shop")
    assert parent() == ""
    going_on = rollout_of(number)
    assert parent() == "canary"
    going_on.state = "rolled_back"
    going_on.save()
    assert parent() == ""


def test_the_number_of_queries_does_not_grow_with_what_fires() -> None:
    world()
    fires()
    few = queries()
    alert = Alert.objects.get()
    Alert.objects.bulk_create(another(alert, number) for number in range(1000))
    assert queries() == few == 3


def another(alert: Alert, number: int) -> Alert:
    facts = {field.attname: getattr(alert, field.attname) for field in Alert._meta.concrete_fields}
    return Alert(**{**facts, "id": None, "fingerprint": f"other-{number}", "runbook": f"watch-{number}"})


def queries() -> int:
    tier = proxy.selectors.base("edge")
    watched = watching(tier)
    with CaptureQueriesContext(connection) as asked:
        assert parents.parent(tier, watched, "shop", {"route": "shop"}, now=LATER) == ""
    return len(asked)


def gone_quiet(w: World) -> None:
    """Fires, and then its target shows nothing any more."""
    w.mode("observe")
    w.storm()
    w.until("SUPPRESSED")
    w.ticks(3)
    w.first = None
    w.retries = w.failed = w.wasted = 0.0


def firing(w: World) -> bool:
    return Alert.objects.filter(rule="retry-storm", state="FIRING").exists()


def test_a_target_that_shows_nothing_for_long_fires_no_more() -> None:
    w = world()
    gone_quiet(w)
    w.ticks(14, seconds=60)
    assert firing(w)
    w.ticks(2, seconds=60)
    assert not firing(w)
    why = Alert.objects.get(rule="retry-storm").why_resolved
    assert why.startswith("no data for 15 min though the tier is scraped: ")
    (row,) = (row for row in selectors.detections(runbook="retry-storm") if row.subject == "shop")
    assert (row.said, row.incident_id) == ("no_data", None)


def test_what_fires_goes_on_firing_while_nobody_can_look() -> None:
    w = world()
    gone_quiet(w)
    w.scrape_age = 300.0
    w.ticks(30, seconds=60)
    assert firing(w)
    w.scrape_age = 1.0
    w.ticks(14, seconds=60)
    assert firing(w)
    w.ticks(2, seconds=60)
    assert not firing(w)
