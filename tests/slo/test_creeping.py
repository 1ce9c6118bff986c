"""Added latency that creeps, told: from the recorded series to the incident."""

from datetime import timedelta
from pathlib import Path

import pytest

import alerts.selectors
from audit.domain.actor import Actor
from proxy import services as proxy_services
from slo import services
from slo.domain import creep
from slo.domain.corrections import Scope
from slo.domain.creep import BASELINES, WINDOWS
from slo.domain.maintenance import Window
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.promql import duration
from telemetry.memory import InMemoryMetrics
from tests.slo.recorded import NOW, tier
from tests.slo.test_rules import is_true, promtool

BY = Actor(name="ann", source="cli")
HOUR, HOURS = (duration(window) for window in WINDOWS)
LOOK = timedelta(minutes=5)


def measured(*tiers: str, now: float, usual: float = 1000) -> InMemoryMetrics:
    """Each tier's p99 in microseconds, now and on every day before."""
    metrics = InMemoryMetrics()
    at = [(name, window) for name in tiers for window in (HOUR, HOURS)]
    metrics.answer(creep.QUERIES.now, [({"tier": name, "window": window}, now) for name, window in at])
    metrics.answer(creep.QUERIES.requests, [({"tier": name}, 1e6) for name in tiers])
    days = [str(day) for baseline in BASELINES.values() for day in baseline]
    metrics.answer(
        creep.QUERIES.before,
        [({"tier": name, "window": window, "day": day}, usual) for name, window in at for day in days],
    )
    return metrics


@pytest.fixture
def edge(db: None) -> None:
    declared = {"tiers": [tier().model_dump(mode="json", exclude_unset=True)]}
    proxy_services.apply(document=declared, by=BY, reason="new", now=NOW, gate=lambda tier: [])


def look(metrics: InMemoryMetrics, after: timedelta = timedelta(0)) -> int:
    return services.watch_creep(metrics=metrics, now=NOW + after)


def test_a_tier_that_creeps_is_a_ticket_that_says_against_what(edge: None) -> None:
    assert look(measured("edge", now=1500)) == 1
    assert look(measured("edge", now=1600), LOOK) == 1

    (incident,) = alerts.selectors.open_incidents()
    assert (incident.cause, incident.severity, incident.originator) == ("creep", "ticket", "proxy")
    assert incident.runbook == "latency-creep"
    assert incident.title == "edge adds 60 % more latency than is usual at this hour: 1.60 ms at p99"
    assert incident.numbers["p99 of the last hour"] == "1.60 ms; 1.00 ms is usual (the week before, 7 days)"
    assert incident.numbers["told above"] == "1.25 ms and 1.25 ms"
    assert [row.op for row in alerts.selectors.messages()].count("post") == 1


def test_it_ends_near_the_usual_and_not_before(edge: None) -> None:
    look(measured("edge", now=1500))

    look(measured("edge", now=1230), LOOK)
    assert len(alerts.selectors.open_incidents()) == 1

    look(measured("edge", now=1190), 2 * LOOK)
    assert alerts.selectors.open_incidents() == []


def test_no_answer_and_no_data_leave_it_as_it_is(edge: None) -> None:
    look(measured("edge", now=1500))
    away = measured("edge", now=1000)
    away.fail(MetricsUnavailable("stopped"))

    assert look(away, LOOK) == 0
    assert look(measured(now=0), 2 * LOOK) == 0

    assert len(alerts.selectors.open_incidents()) == 1


def test_a_tier_that_is_not_served_is_not_told_of(edge: None) -> None:
    assert look(measured("elsewhere", now=9000)) == 0


def test_it_asks_three_times_for_a_tier_and_for_many(edge: None) -> None:
    many = measured(*(f"tier-{number}" for number in range(40)), now=1000)

    look(many)

    assert len(many.asked) == 3


@pytest.mark.real
def test_the_rules_record_the_percentile_of_the_hour_and_the_median_of_six(tmp_path: Path) -> None:
    # Two hours at 0.5 ms; an hour at 5 ms; three more at 0.5 ms. A request a second on each of two routes.
    bucket = 'envoy_sluice_added_us_bucket{tier="edge",proxy="edge-1",attempts="1"'
    calm, hit = "0+60x1440", "0+60x480 28800x239 28860+60x719"
    series = {}
    for route in ("shop", "payments"):
        series[f'{bucket},route="{route}",le="500"}}'] = hit
        series[f'{bucket},route="{route}",le="5000"}}'] = calm
        series[f'{bucket},route="{route}",le="+Inf"}}'] = calm

    def p99(window: str) -> str:
        return f'sum(sluice:added_us:p99{{tier="edge",window="{window}"}})'

    said = promtool(
        tmp_path,
        series,
        [
            ("115m", f"{p99('1h')} <= bool 500", is_true()),
            ("180m", f"{p99('1h')} > bool 4000", is_true()),
            ("355m", f"{p99('6h')} <= bool 500", is_true()),
            ("355m", "round(sum(sluice:added_us:count), 1000)", is_true(29_000)),
        ],
        every="5m",
    )

    assert said == ""


def keep_quiet(*, route: str = "", objective: str = "") -> int:
    services.sync(tier=tier(), by=BY, now=NOW)
    scope = Scope("edge", route=route, objective=objective)
    window = Window(NOW, timedelta(hours=1))
    return services.maintain(scope=scope, window=window, by=BY, reason="a new kernel", now=NOW)


def test_while_the_tier_is_in_maintenance_nobody_is_told_anew(edge: None) -> None:
    keep_quiet()

    assert look(measured("edge", now=1500), LOOK) == 1
    assert alerts.selectors.open_incidents() == []

    look(measured("edge", now=1500), timedelta(hours=1, minutes=1))
    assert len(alerts.selectors.open_incidents()) == 1


def test_what_was_told_before_maintenance_goes_on(edge: None) -> None:
    look(measured("edge", now=1500))
    keep_quiet()

    look(measured("edge", now=1600), LOOK)

    (incident,) = alerts.selectors.open_incidents()
    assert "60 %" in incident.title


@pytest.mark.parametrize("part", [{"route": "shop"}, {"objective": "added-latency"}])
def test_maintenance_of_a_part_silences_no_whole_tier(edge: None, part: dict[str, str]) -> None:
    keep_quiet(**part)

    look(measured("edge", now=1500), LOOK)

    assert len(alerts.selectors.open_incidents()) == 1
