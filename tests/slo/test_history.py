"""An hour of raw counters, through the rules in a real Prometheus, to the page: the whole way."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import alerts.selectors
from audit.domain.actor import Actor
from slo import selectors, services
from slo.domain import rates, rules
from slo.domain.alert_rules import SCRAPED
from slo.domain.objectives import of_tier
from telemetry.domain.promql import duration
from telemetry.prometheus import Prometheus
from tests.slo.recorded import tier
from tests.support.prometheus import History, backfill, backfill_rules, prometheus

pytestmark = [pytest.mark.real, pytest.mark.django_db]

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=6)
START = NOW - timedelta(minutes=62)
EDGE = {"tier": "edge", "proxy": "edge-1"}
BY = Actor(name="ann", source="cli")


def grown(per_second: float, metric: str = "envoy_sluice_rq", **labels: str) -> History:
    """A counter scraped each 15 s for an hour."""
    at = [START + timedelta(seconds=15 * i) for i in range(62 * 4 + 1)]
    points = [(t, per_second * (t - START).total_seconds()) for t in at]
    return History(metric, {**EDGE, "arm": "v1", **labels}, points)


def route(name: str, *, failing: float, reason: str = "backend", code: str = "503") -> list[History]:
    return [
        grown(100 * (1 - failing), route=name, code="200", reason="backend"),
        grown(100 * failing, route=name, code=code, reason=reason),
    ]


# 99.5 % is declared for each route: 14.4 times is 7.2 %.
ROUTES = ("above", "below", "healthy", "down", "blip")
HISTORY = [
    History("up", EDGE, [(START + timedelta(seconds=15 * i), 1.0) for i in range(62 * 4 + 1)]),
    *route("above", failing=0.0725),
    *route("below", failing=0.0715),
    grown(100, route="healthy", code="200", reason="backend"),
]


def layer(*routes: str, number: int) -> str:
    """Rates of counters, then those of indicators, then windows: rules see only what was there before."""
    document = yaml.safe_load(rules.render(of_tier(tier(*routes))))
    for group in document["groups"]:
        group["rules"] = [rule for rule in group["rules"] if "record" in rule and level(rule) == number]
    return yaml.safe_dump({"groups": [group for group in document["groups"] if group["rules"]]})


def level(rule: dict[str, Any]) -> int:
    if rule["record"] in (rates.REQUESTS, rates.ATTEMPTS, SCRAPED):
        return 0
    return 1 if rule["record"].endswith(":rate1m") else 2


def record(place: Path, *routes: str, start: datetime, end: datetime) -> None:
    """The rules over the past of `place`, each layer after a start that shows it the one before."""
    for number in range(3):
        begins = start if number < 2 else max(start, end - timedelta(minutes=1))
        with prometheus(place) as running:
            backfill_rules(
                running, layer(*routes, number=number), start=begins, end=end, every=duration(rules.BASE)
            )


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    place = tmp_path_factory.mktemp("prometheus")
    backfill(place / "data", HISTORY)
    record(place, *ROUTES, start=START, end=NOW)
    with prometheus(place) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


def test_the_fast_page_fires_on_history_above_it_and_is_silent_just_below(metrics: Prometheus) -> None:
    services.sync(tier=tier("above", "below", "healthy"), by=BY, now=NOW)

    services.tick(metrics=metrics, now=NOW)

    assert [row.name for row in selectors.objectives() if row.firing] == ["above-availability"]
    (incident,) = alerts.selectors.open_incidents()
    assert (incident.route, incident.originator) == ("above", "backend")
    states = {row.name: row.state for row in selectors.objectives()}
    assert states["below-availability"] == "spent"  # 14.3 times its budget in the only hour that there is
    assert states["healthy-availability"] == "ok"
    assert states["proxy-availability"] == "ok"


def test_the_budget_is_that_of_the_raw_counters(metrics: Prometheus) -> None:
    services.sync(tier=tier("above", "below", "healthy"), by=BY, now=NOW)

    services.tick(metrics=metrics, now=NOW)

    rows = {row.name: row for row in selectors.objectives()}
    assert rows["above-availability"].burn_1h == pytest.approx(0.0725 / 0.005, rel=1e-6)
    assert rows["above-availability"].left == pytest.approx(1 - 0.0725 / 0.005, rel=1e-6)
    assert rows["healthy-availability"].left == 1.0
    # The tier's proxies failed nothing, whatever the backends did.
    assert rows["proxy-availability"].left == 1.0


def test_the_promql_that_is_shown_gives_the_burn_that_is_shown(metrics: Prometheus) -> None:
    services.sync(tier=tier("above"), by=BY, now=NOW)
    services.tick(metrics=metrics, now=NOW)
    number = next(row.id for row in selectors.objectives() if row.name == "above-availability")
    hour = next(w for w in selectors.objective(number).windows if w.window == "1h")

    (sample,) = metrics.vector(hour.promql, at=NOW)

    assert sample.value == pytest.approx(hour.burn)


YOUNG = timedelta(seconds=120)


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Two minutes of history: one route is down since its first request, another fails one in a hundred."""
    place = tmp_path_factory.mktemp("young")
    history = [
        History("up", EDGE, [(START + timedelta(seconds=15 * i), 1.0) for i in range(9)]),
        *route("down", failing=1, reason="connect_failed"),
        *route("blip", failing=0.01),
    ]
    cut = [History(h.metric, h.labels, [p for p in h.points if p[0] <= START + YOUNG]) for h in history]
    backfill(place / "data", cut)
    record(place, *ROUTES, start=START, end=START + YOUNG)
    with prometheus(place) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


def test_an_outage_of_a_tier_two_minutes_old_pages_and_a_blip_does_not(young: Prometheus) -> None:
    now = START + YOUNG
    strict = [
        {"name": name, "kind": "route_availability", "route": name, "target": 99.95}
        for name in ("down", "blip")
    ]
    services.sync(tier=tier("down", "blip", objectives=strict), by=BY, now=now)

    services.tick(metrics=young, now=now)

    assert [row.name for row in selectors.objectives() if row.firing] == ["down"]
    (incident,) = alerts.selectors.open_incidents()
    assert incident.title.endswith(" over 1h: the proxy answers 503 for v1: connect_failed (100 %)")
