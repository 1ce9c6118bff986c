"""Hours counted from a real Prometheus: what the rules recorded, to the event, with what it missed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from audit.domain.actor import Actor
from slo import services
from slo.domain import rules
from slo.domain.corrections import Scope
from slo.domain.objectives import of_tier
from slo.domain.spans import DAY, HOUR, Span, hour_of
from slo.models import HourlyCount
from telemetry.domain.promql import duration
from telemetry.prometheus import Prometheus
from tests.slo.recorded import tier
from tests.slo.test_history import level
from tests.support.prometheus import History, backfill, backfill_rules, prometheus

pytestmark = [pytest.mark.real, pytest.mark.django_db]

BY = Actor(name="ann", source="cli")
MINUTE = timedelta(minutes=1)
FIRST = hour_of(datetime.now(UTC)) - 6 * HOUR
SECOND = FIRST + HOUR
START, END = FIRST - 5 * MINUTE, SECOND + HOUR + 5 * MINUTE
# Sluice's Prometheus was away for the middle of the second hour.
GAP = Span(SECOND + 20 * MINUTE, SECOND + 40 * MINUTE)
EDGE = {"tier": "edge", "proxy": "edge-1"}
SHOP = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99}
TIER = tier(objectives=[SHOP])
EVERY = timedelta(seconds=15)


def scraped() -> list[datetime]:
    at = (START + EVERY * n for n in range((END - START) // EVERY + 1))
    return [each for each in at if not GAP.start < each < GAP.end]


def grown(per_second: float, **labels: str) -> History:
    points = [(at, per_second * (at - START).total_seconds()) for at in scraped()]
    return History("envoy_sluice_rq", {**EDGE, "route": "shop", "arm": "v1", **labels}, points)


HISTORY = [
    History("up", EDGE, [(at, 1.0) for at in scraped()]),
    grown(90, code="200", reason="backend"),
    grown(8, code="503", reason="backend"),
    grown(2, code="503", reason="connect_failed"),
]


def layer(number: int) -> str:
    """Rates of counters, then those of indicators, then windows."""
    document = yaml.safe_load(rules.render(of_tier(TIER)))
    for group in document["groups"]:
        group["rules"] = [rule for rule in group["rules"] if "record" in rule and level(rule) == number]
    return yaml.safe_dump({"groups": [group for group in document["groups"] if group["rules"]]})


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    place = tmp_path_factory.mktemp("hours")
    backfill(place / "data", HISTORY)
    evaluated = (Span(START, GAP.start), Span(GAP.end, END))
    for number, spans in ((0, evaluated), (1, evaluated), (2, (Span(SECOND - MINUTE, SECOND),))):
        with prometheus(place) as running:
            for span in spans:
                backfill_rules(
                    running, layer(number), start=span.start, end=span.end, every=duration(rules.BASE)
                )
    with prometheus(place) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


@pytest.fixture
def counted(metrics: Prometheus) -> dict[datetime, HourlyCount]:
    services.sync(tier=TIER, by=BY, now=FIRST - DAY)
    services.count(metrics=metrics, now=END)
    return {row.hour: row for row in HourlyCount.objects.all()}


def test_a_full_hour_is_what_the_counters_say_and_what_the_rules_recorded(
    counted: dict[datetime, HourlyCount], metrics: Prometheus
) -> None:
    hour = counted[FIRST]
    (recorded,) = metrics.vector(
        'sluice:sli_events:count{sli="route_availability",route="shop",window="1h"}', at=SECOND
    )

    assert hour.events == pytest.approx(100 * 3600, rel=1e-6)
    assert hour.bad_backend == pytest.approx(8 * 3600)
    assert hour.bad_proxy == pytest.approx(2 * 3600)
    assert hour.covered == pytest.approx(3600)
    assert hour.events == pytest.approx(recorded.value, rel=1e-9)


def test_of_an_hour_with_a_gap_only_what_was_measured_is_counted(
    counted: dict[datetime, HourlyCount],
) -> None:
    hour = counted[SECOND]

    assert hour.covered == pytest.approx(2400, abs=30)
    # After it, rates begin with the second scrape.
    assert 100 * (2400 - 75) <= hour.events <= 100 * 2400
    assert hour.bad_backend / hour.events == pytest.approx(0.08, rel=1e-3)


def test_hours_before_there_was_a_prometheus_are_not_there(counted: dict[datetime, HourlyCount]) -> None:
    assert min(counted) == FIRST - HOUR  # its last five minutes
    assert counted[FIRST - HOUR].covered == pytest.approx(300, abs=30)


def test_ten_minutes_are_left_out_to_the_event(
    counted: dict[datetime, HourlyCount], metrics: Prometheus
) -> None:
    span = Span(FIRST + 10 * MINUTE, FIRST + 20 * MINUTE)

    services.correct(scope=Scope("edge", "shop"), span=span, by=BY, reason="a load test", now=END)
    services.count(metrics=metrics, now=END)

    hour = HourlyCount.objects.get(hour=FIRST)
    assert hour.excluded_events == pytest.approx(100 * 600, rel=1e-6)
    assert hour.excluded_bad_backend == pytest.approx(8 * 600, rel=1e-6)
    assert not hour.estimated
