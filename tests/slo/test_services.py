"""Ticks of objectives: what is stored, who is told, and what no data does."""

from datetime import timedelta
from decimal import Decimal

import pytest

import alerts.selectors
from audit.domain.actor import Actor
from audit.models import Entry
from slo import selectors, services
from slo.domain import objectives
from slo.domain.readings import QUERIES
from slo.models import Budget, Objective, PeriodCount
from slo.selectors import ObjectiveRow
from slo.services import writing
from slo.services.writing import Change
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import InMemoryMetrics
from tests.slo.recorded import NOW, Traffic, recorded, tier

pytestmark = pytest.mark.django_db
BY = Actor(name="ann", source="cli")
TICK = timedelta(seconds=15)
HEALTHY = Traffic()
# 99.5 % is declared by default: 14.4 is passed from 7.2 % on.
FAILING = Traffic(backend=0.08)


def declare(*routes: str) -> list[objectives.Objective]:
    services.sync(tier=tier(*routes), by=BY, now=NOW)
    return [row.plain() for row in Objective.objects.live()]


def tick(*traffic: Traffic, after: timedelta = timedelta(0), **more: timedelta) -> InMemoryMetrics:
    declared = [row.plain() for row in Objective.objects.live().filter(problem="")]
    metrics = recorded(*traffic, of=declared, scraped=NOW + after, **more)  # type: ignore[arg-type]
    services.tick(metrics=metrics, now=NOW + after)
    return metrics


def named(name: str) -> ObjectiveRow:
    return next(row for row in selectors.objectives() if row.name == name)


def test_a_tier_has_its_objectives_once() -> None:
    assert services.sync(tier=tier(), by=BY, now=NOW) == 8
    assert services.sync(tier=tier(), by=BY, now=NOW) == 0

    assert [row.name for row in selectors.objectives("edge")] == [
        "added-latency",
        "connections",
        "memory",
        "proxy-availability",
        "retry-budget",
        "tls-handshakes",
        "worker-cpu",
        "shop-availability",
    ]
    assert Entry.objects.get().action == "objectives.declared"


def test_a_route_that_goes_takes_its_objective_along() -> None:
    declare("shop", "payments")

    services.sync(tier=tier("shop"), by=BY, now=NOW)

    assert "payments-availability" not in [row.name for row in selectors.objectives()]
    assert Objective.objects.get(name="payments-availability").retired_at == NOW


def test_an_objective_that_comes_back_is_the_same_one() -> None:
    declare("shop", "payments")
    number = named("payments-availability").id
    declare("shop")

    declare("shop", "payments")

    assert named("payments-availability").id == number


def test_a_calendars_budget_is_of_what_was_counted_of_it_and_its_alerts_are_of_windows() -> None:
    monthly = {
        "name": "shop",
        "kind": "route_availability",
        "target": 99,
        "route": "shop",
        "calendar": "month",
    }
    services.sync(tier=tier(objectives=[monthly]), by=BY, now=NOW)
    metrics = recorded(Traffic(backend=0.2), of=[row.plain() for row in Objective.objects.live()])

    services.tick(metrics=metrics, now=NOW)
    unknown = named("shop")
    PeriodCount.objects.create(
        objective=Objective.objects.get(),
        start=NOW.replace(day=1, hour=0),
        end=NOW,
        counted_at=NOW,
        events=1000,
        bad_backend=5,
        covered=15.5 * 86_400,
    )
    services.tick(metrics=metrics, now=NOW + TICK)

    assert (unknown.left, unknown.total, unknown.firing) == (None, None, True)
    assert (named("shop").left, named("shop").total, named("shop").coverage) == (0.5, 1000, 0.5)
    assert selectors.objective(named("shop").id).budget_promql == ""


def test_an_objective_that_cannot_be_measured_says_why() -> None:
    wrong = {"name": "fast", "kind": "added_latency", "target": 99, "threshold_ms": 2.5}

    services.sync(tier=tier(objectives=[wrong]), by=BY, now=NOW)
    tick(HEALTHY)

    assert named("fast").problem.endswith("use 2 ms or 3 ms")
    assert named("fast").state == "no_data"


def test_an_objective_that_nobody_looked_at_has_no_data() -> None:
    declare()

    row = named("shop-availability")

    assert (row.state, row.left, row.why) == ("no_data", None, "not looked at yet")


def test_a_healthy_tier_keeps_its_budgets() -> None:
    declare()

    tick(HEALTHY)

    assert {row.state for row in selectors.objectives()} == {"ok"}
    assert {row.left for row in selectors.objectives()} == {1.0}
    assert named("shop-availability").total == 30 * 86_400 * 100


def test_an_objective_shows_the_alerts_that_can_tell_of_it() -> None:
    declare()

    tick(HEALTHY)

    shown = {
        name: [tier.name for tier in selectors.objective(named(name).id).tiers]
        for name in ("shop-availability", "worker-cpu")
    }
    tickets = ["ticket-fast", "ticket-slow"]
    assert shown == {"shop-availability": ["page-fast", "page-slow", *tickets], "worker-cpu": tickets}


def test_a_backends_failures_spend_the_routes_budget_and_never_the_proxys() -> None:
    declare()

    tick(Traffic(backend=0.001))

    shop, proxy = named("shop-availability"), named("proxy-availability")
    assert shop.left == pytest.approx(0.8)
    assert (shop.originator, shop.spent_proxy) == ("backend", 0)
    assert shop.spent_backend == pytest.approx(0.2)
    assert shop.spent_other == 0
    assert (proxy.left, proxy.originator) == (1.0, "unknown")


def test_the_proxys_own_failures_spend_both() -> None:
    declare()

    tick(Traffic(proxy=0.0001))

    assert named("proxy-availability").left == pytest.approx(0.8)
    assert named("shop-availability").left == pytest.approx(0.98)
    assert named("shop-availability").originator == "proxy"


def test_a_tiers_objective_adds_up_its_routes_by_their_events() -> None:
    declare("shop", "payments")

    tick(Traffic("shop", rate=99), Traffic("payments", rate=1, proxy=0.01))

    # 1 % of 1 in 100 requests is 0.01 % of all, and 0.05 % are allowed.
    assert named("proxy-availability").left == pytest.approx(0.8)


def test_slow_requests_spend_the_budget_of_added_latency() -> None:
    declare()

    tick(Traffic(slow=0.0025))

    assert named("added-latency").left == pytest.approx(0.75)


def test_a_budget_that_is_spent_is_not_well_when_the_burn_is_over() -> None:
    declared = declare()
    metrics = recorded(FAILING, of=declared)
    shop = {"sli": "route_availability", "tier": "edge", "route": "shop", "originator": "backend"}
    calm = [({**shop, "window": window}, 0.0) for window in ("5m", "30m")]
    metrics.answer(QUERIES.bad, [*calm, ({**shop, "window": "30d"}, 2_000_000.0)])

    services.tick(metrics=metrics, now=NOW)

    row = named("shop-availability")
    assert (row.state, row.firing) == ("spent", False)
    assert row.left == pytest.approx(1 - 2 / 1.296)


def test_exhaustion_is_forecast_at_the_burn_of_the_last_hour() -> None:
    declare()

    tick(Traffic(backend=0.0025))

    # Burn 0.5 with half of the budget left: one period.
    assert named("shop-availability").exhausted_in == timedelta(days=30)


def test_what_outlasts_its_period_is_not_forecast() -> None:
    declare()

    tick(Traffic(backend=0.002))  # burn 0.4 with 0.6 left: 45 days

    assert named("shop-availability").exhausted_in is None


def test_an_absent_prometheus_freezes_what_is_and_says_since_when() -> None:
    declared = declare()
    tick(FAILING)
    away = recorded(of=declared)
    away.fail(MetricsUnavailable("connection refused"))

    services.tick(metrics=away, now=NOW + TICK)
    services.tick(metrics=away, now=NOW + 2 * TICK)

    row = named("shop-availability")
    assert (row.state, row.since, row.firing) == ("no_data", NOW, True)
    assert row.why == "Prometheus gave no answer: connection refused"
    assert row.total == 30 * 86_400 * 100
    assert len(alerts.selectors.open_incidents()) == 1


def test_an_old_scrape_is_no_data_even_if_prometheus_answers() -> None:
    declared = declare()
    tick(HEALTHY)
    later = NOW + timedelta(seconds=61)

    services.tick(metrics=recorded(FAILING, of=declared, scraped=NOW), now=later)

    row = named("shop-availability")
    assert (row.state, row.since, row.looked_at) == ("no_data", NOW, later)
    assert row.why == (
        "for a minute no proxy of the tier was scraped, or Prometheus did not evaluate the rules"
    )
    assert row.left == 1.0


def test_data_that_comes_back_is_used_at_once() -> None:
    declared = declare()
    away = recorded(of=declared)
    away.fail(MetricsUnavailable("connection refused"))
    services.tick(metrics=away, now=NOW)

    tick(HEALTHY, after=TICK)

    assert (named("shop-availability").state, named("shop-availability").since) == ("ok", NOW + TICK)


def test_a_route_without_a_request_has_no_data() -> None:
    declare("shop", "quiet")

    tick(HEALTHY, Traffic("quiet", rate=0))

    quiet = named("quiet-availability")
    assert (quiet.state, quiet.left, quiet.why) == ("no_data", None, "no requests in 5m")


def test_that_nobody_wanted_to_retry_is_well() -> None:
    declare()

    tick(Traffic(rate=0))

    budget = named("retry-budget")
    assert (budget.state, budget.left) == ("ok", None)
    assert budget.why == "no retries in 5m: nothing failed that is tried again, or no retries are configured"
    assert named("tls-handshakes").why == "no handshakes in 5m"


def test_a_burning_objective_that_is_retired_is_cleared() -> None:
    declare("shop", "payments")
    tick(HEALTHY, Traffic("payments", backend=0.1))

    declare("shop")

    assert alerts.selectors.open_incidents() == []


def test_a_tick_that_read_an_objective_before_it_was_retired_tells_of_it_no_more() -> None:
    declare("shop", "payments")
    tick(HEALTHY)
    row = Objective.objects.get(name="payments-availability")
    change = Change(Budget.objects.get(objective=row), {"firing": True, "told": "page"})

    declare("shop")

    assert not writing.write_one(change, now=NOW)


def test_a_tick_asks_five_times_whatever_the_number_of_objectives() -> None:
    declare(*(f"route-{number}" for number in range(50)))

    metrics = tick(HEALTHY)

    assert len(metrics.asked) == 4


def test_details_say_the_promql_the_thresholds_and_the_coverage() -> None:
    declare()
    tick(FAILING)

    found = selectors.objective(named("shop-availability").id)

    hour = next(window for window in found.windows if window.window == "1h")
    assert hour.burn == pytest.approx(16)
    assert hour.coverage == 1.0
    assert hour.promql == (
        'sum(sluice:sli_bad:count{sli="route_availability",tier="edge",route="shop",upstream="",window="1h"})'
        " / "
        'sum(sluice:sli_events:count{sli="route_availability",tier="edge",route="shop",upstream="",window="1h"})'
        " / 0.005"
    )
    fast = found.tiers[0]
    assert (fast.threshold, fast.spends) == (0.072, 0.02)
    assert fast.outage_after_s == pytest.approx(0.072 * 3600)
    assert fast.over_after_s == pytest.approx(300 * (1 - 0.072))
    assert [(t.name, t.factor, t.verdict) for t in found.tiers] == [
        ("page-fast", 14.4, "fires"),
        ("page-slow", 6.0, "fires"),
        ("ticket-fast", 3.0, "fires"),
        ("ticket-slow", 1.0, "fires"),
    ]


def test_an_objective_that_is_not_there_is_unknown() -> None:
    with pytest.raises(selectors.UnknownObjective):
        selectors.objective(12345)


def test_a_target_keeps_its_decimals() -> None:
    declare()

    assert named("proxy-availability").target == Decimal("0.9995")
    assert named("proxy-availability").promise == "99.95 % of requests to edge are not failed by the proxy"
