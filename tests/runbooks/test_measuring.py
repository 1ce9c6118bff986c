"""What is asked of Prometheus, and what becomes of its answers, for every scope."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import proxy.services
from proxy.domain.tier import Tier
from runbooks.domain.measures import Measure
from runbooks.domain.policy import policy
from runbooks.services.measuring import Answers, measure
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import InMemoryMetrics
from tests.proxy.factories import document, tier
from tests.runbooks.declared import declared, definition
from tests.runbooks.world import ANN, World, world

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
RATE, SLOW = (declared()["signals"][name]["promql"].replace("$tier", "edge") for name in ("rate", "slow"))
DRAINED = 'z{tier="edge"}'


def metrics(**answers: Any) -> InMemoryMetrics:
    made = InMemoryMetrics()
    made.answer(catalogue.scrape_age(tier="edge"), [({"proxy": "edge-1"}, 1.0)])
    for promql, name in ((RATE, "rate"), (SLOW, "slow"), (DRAINED, "drained")):
        made.answer(promql, answers.get(name, []))
    return made


def measured(asked: InMemoryMetrics, on: Tier | None = None, **changes: Any) -> dict[str, Measure]:
    made = definition(**changes)
    answers = Answers(asked, "edge", NOW)
    return measure(answers, tier=on or tier(), definition=made, policy=policy({}, made.policy))


def test_each_upstream_gets_its_own_series_joined_and_its_heaviest_named() -> None:
    found = measured(
        metrics(
            rate=[({"arm": "shop-v1"}, 5.0), ({"envoy_cluster_name": "payments"}, 2.0)],
            slow=[
                ({"upstream": "shop-v1", "endpoint": "a"}, 0.2),
                ({"upstream": "shop-v1", "endpoint": "b"}, 0.9),
                ({"upstream": "payments", "endpoint": "c"}, float("nan")),
            ],
        )
    )
    assert found["shop-v1"].values == {"rate": 5.0, "slow": 0.9, "drained": 0.0}
    assert found["shop-v1"].names == {"slow": ("b", "a")}
    assert found["payments"].values == {"rate": 2.0, "slow": None, "drained": 0.0}
    assert found["shop-v2"].why_no_data == "nothing was measured"


def test_a_sample_of_infinity_is_no_data_and_hides_no_other() -> None:
    inf = float("inf")
    rows = [({"arm": "shop-v1"}, inf), ({"envoy_cluster_name": "payments"}, 2.0)]
    slow = [({"upstream": "shop-v1", "endpoint": name}, value) for name, value in (("a", 0.2), ("b", inf))]
    found = measured(metrics(rate=rows, slow=slow))
    assert found["shop-v1"].values == {"rate": None, "slow": 0.2, "drained": 0.0}
    assert found["shop-v1"].names == {"slow": ("a",)}
    assert found["payments"].values["rate"] == 2.0


def test_what_overflows_is_no_data() -> None:
    signals = declared()["signals"] | {"per": {"ratio": "slow", "over": "rate"}}
    rows = [({"upstream": "shop-v1"}, 1e-200)], [({"upstream": "shop-v1", "endpoint": "a"}, 1e200)]
    assert measured(metrics(rate=rows[0], slow=rows[1]), signals=signals)["shop-v1"].values["per"] is None


def test_a_tier_gets_all_series() -> None:
    rows = [({"upstream": "shop-v1"}, 5.0), ({"upstream": "payments"}, 2.0)]
    found = measured(metrics(rate=rows), scope="tier", remedies=PENALTY, remedy="hold")
    assert found[""].values["rate"] == 7.0


PENALTY = {
    "hold": {
        "did": "held",
        "steps": [{"do": "overlay", "patch": {"kind": "penalty", "prefixes": "$names.slow"}}],
    }
}


def test_what_prometheus_does_not_answer_is_no_data_with_the_reason() -> None:
    broken = metrics()
    broken.fail(MetricsUnavailable("down"))
    assert {each.why_no_data for each in measured(broken).values()} == {"no data: down"}
    assert len(broken.asked) == 1


def test_figures_of_proxies_that_nobody_scrapes_any_more_are_no_data() -> None:
    stale = metrics(rate=[({"upstream": "shop-v1"}, 5.0)])
    stale.answer(catalogue.scrape_age(tier="edge"), [({"proxy": "edge-1"}, 60.0)])
    assert measured(stale)["shop-v1"].why_no_data == "no data since 60 s"


def test_two_runbooks_that_ask_alike_ask_once() -> None:
    asked = metrics()
    answers, made = Answers(asked, "edge", NOW), definition()
    for _ in range(2):
        measure(answers, tier=tier(), definition=made, policy=policy({}, made.policy))
    assert len(asked.asked) == 4


def routed(number: int) -> World:
    """A tier with so many routes more, all looked at once before."""
    made = world()
    routes = [{"name": f"r{n}", "hosts": [f"r{n}.test"], "upstream": "payments"} for n in range(number)]
    declaration = document()
    declaration["tiers"][0]["routes"] += routes
    proxy.services.apply(document=declaration, by=ANN, reason="many", now=made.now)
    made.tick()
    return made


def asked_by_a_tick(number: int) -> tuple[int, int]:
    """Statements and PromQL queries of one tick over so many routes more."""
    w = routed(number)
    w.metrics.asked.clear()
    with CaptureQueriesContext(connection) as captured:
        w.tick()
    return len(captured), len(w.metrics.asked)


@pytest.mark.django_db
@pytest.mark.timeout(300)
def test_a_tick_asks_the_same_whatever_the_number_of_routes() -> None:
    few, many = asked_by_a_tick(10), asked_by_a_tick(1000)
    assert many[1] == few[1]
    # SQLite takes a hundred rows of these at a statement, PostgreSQL all.
    assert many[0] - few[0] <= 1000 // 100 + 1
