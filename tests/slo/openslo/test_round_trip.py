"""What is written as OpenSLO is read back as it was."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from slo.domain.objectives import Objective, declared_as, of_tier
from slo.domain.openslo.laying import lay, written_out
from slo.domain.openslo.read import read
from slo.domain.openslo.write import documents, render
from slo.domain.windows import TIERS
from tests.proxy.factories import tier

EVERY_KIND: tuple[dict[str, Any], ...] = (
    {"name": "proxy", "kind": "proxy_availability", "target": 99.95, "runbook": "retry-storm"},
    {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99.9, "owner": "Ann: shop"},
    {"name": "v1", "kind": "backend_availability", "upstream": "shop-v1", "target": 99.99},
    {"name": "added", "kind": "added_latency", "target": 99, "threshold_ms": 0.5, "window_days": 7},
    {"name": "all", "kind": "total_latency", "route": "shop", "target": 97.5, "threshold_ms": 250},
    {"name": "slow", "kind": "backend_latency", "upstream": "shop-v1", "target": 99, "threshold_ms": 100},
    {"name": "first", "kind": "first_attempts", "route": "shop", "target": 99, "calendar": "week"},
    {"name": "cpu", "kind": "saturation", "resource": "worker_cpu", "at_most": 0.85, "target": 99},
    {
        "name": "pool",
        "kind": "saturation",
        "resource": "pool",
        "upstream": "shop-v1",
        "at_most": 0.8,
        "target": 99,
    },
    {"name": "tls", "kind": "tls_handshakes", "target": 99, "severity": "ticket", "calendar": "quarter"},
    {"name": "resumed", "kind": "tls_resumption", "at_least": 0.7, "target": 90, "severity": "ticket"},
    {"name": "fresh", "kind": "tls_fresh", "at_most": 250, "target": 99.9, "calendar": "month"},
    {"name": "again", "kind": "retries", "route": "shop", "target": 95, "severity": "ticket"},
    {"name": "budget", "kind": "retry_budget", "target": 99, "window_days": 90},
    {
        "name": "mail",
        "kind": "ratio",
        "bad": 'sum(rate(mails_total{state="lost"}[1m]))  # all of them\n',
        "total": "sum(rate(mails_total[1m]))",
        "target": 99.9,
        "description": "Mail: gets through, 'mostly'",
    },
    {"name": "sms", "kind": "ratio", "route": "shop", "good": "a_total", "total": "b_total", "target": 99},
    {"name": "queue", "kind": "gauge", "gauge": "max(depth)", "at_most": 1e-7, "target": 99.5},
    {
        "name": "ready",
        "kind": "gauge",
        "gauge": "min(ready)",
        "at_least": -3,
        "upstream": "payments",
        "target": 99,
    },
)


def objectives(*declared: dict[str, Any]) -> tuple[Objective, ...]:
    return of_tier(tier(objectives=list(declared)))


@pytest.mark.parametrize("declared", EVERY_KIND, ids=[str(one["name"]) for one in EVERY_KIND])
def test_each_kind_comes_back_with_nothing_to_tell(declared: dict[str, Any]) -> None:
    written = objectives(declared)

    said = read(render(written))

    assert (said.problems, said.notes) == ((), ())
    assert tuple(declared_as("edge", one.declared) for one in said.found) == written


def test_the_same_text_comes_of_what_was_read() -> None:
    text = render(objectives(*EVERY_KIND))

    again = [declared_as(one.service, one.declared) for one in read(text).found]

    assert render(again) == text


def test_defaults_come_back_as_a_declaration_of_none() -> None:
    given = tier()

    assert lay(given, read(render(of_tier(given))).found).objectives == ()


def test_the_first_objective_of_a_tier_leaves_it_its_defaults() -> None:
    given = tier()
    found = read(render(objectives(EVERY_KIND[1]))).found

    laid = lay(given, found)

    promised = of_tier(given.model_copy(update={"objectives": laid.objectives}))
    assert promised == (*of_tier(given), *objectives(EVERY_KIND[1]))


def test_replacing_keeps_only_what_the_file_has() -> None:
    given = tier(objectives=list(EVERY_KIND[:3]))
    found = read(render(objectives(EVERY_KIND[1]))).found

    laid = lay(given, found, replace=True)

    assert laid.objectives == given.objectives[1:2]


def test_a_default_can_be_written_out() -> None:
    for one in of_tier(tier()):
        assert declared_as("edge", written_out(one)) == one


def test_two_tiers_may_have_objectives_of_one_name() -> None:
    written = [*of_tier(tier()), *of_tier(tier(name="e" * 60))]

    said = read(render(written))

    assert said.problems == ()
    assert [declared_as(one.service, one.declared) for one in said.found] == written


def test_another_tool_reads_plain_promql_and_the_windows_of_alerts() -> None:
    made = documents(objectives(EVERY_KIND[1]))

    slo = next(one for one in made if one["kind"] == "SLO")
    metric = slo["spec"]["indicator"]["spec"]["ratioMetric"]
    assert metric["bad"]["metricSource"] == {
        "type": "Prometheus",
        "spec": {
            "query": 'sum(sluice:sli_bad:rate1m{sli="route_availability",tier="edge",route="shop",upstream=""})'
        },
    }
    conditions = [one["spec"]["condition"] for one in made if one["kind"] == "AlertCondition"]
    assert [(one["threshold"], one["lookbackWindow"]) for one in conditions] == [
        (14.4, "1h"),
        (6.0, "6h"),
        (3.0, "1d"),
        (1.0, "3d"),
    ]


def test_a_ticket_has_no_policy_that_pages() -> None:
    made = documents(objectives({**EVERY_KIND[1], "severity": "ticket"}))
    policies = [one["metadata"]["name"] for one in made if one["kind"] == "AlertPolicy"]
    assert policies == ["ticket-fast-30d", "ticket-slow-30d"]


def test_names_in_the_file_are_those_of_dns() -> None:
    routes = [{"name": "r" * 63, "hosts": ["r.test"], "upstream": "payments"}]
    given = tier(routes=routes)

    text = render(of_tier(given))

    assert all(len(one["metadata"]["name"]) <= 63 for one in yaml.safe_load_all(text))
    assert lay(given, read(text).found).objectives == ()


def test_names_that_come_to_the_same_when_cut_are_told_apart() -> None:
    long = [f"{'r' * 59}-{end}" for end in ("one", "two", "one-more", "one-less")]
    given = tier(objectives=[{**EVERY_KIND[0], "name": name} for name in long])

    made = [one for one in documents(of_tier(given)) if one["kind"] == "SLO"]
    names = [one["metadata"]["name"] for one in made]

    assert len(set(names)) == len(long)
    assert all(len(name) <= 63 for name in names)
    assert [one.declared.name for one in read(render(of_tier(given))).found] == long
    assert documents(of_tier(given)) == documents(of_tier(given))


def test_names_that_come_to_the_same_with_their_tier_are_told_apart() -> None:
    def promised(tier: str, name: str) -> Objective:
        return replace(objectives(EVERY_KIND[0])[0], tier=tier, name=name)

    given = [promised("a", "b-c"), promised("a-b", "c"), promised("x", "b-c"), promised("y", "c")]

    names = [one["metadata"]["name"] for one in documents(given) if one["kind"] == "SLO"]

    assert len(set(names)) == len(given)
    assert names[2:] == ["x-b-c", "y-c"]


def test_an_edited_query_of_sluices_own_is_told_to_be_unread() -> None:
    text = render(objectives(EVERY_KIND[1])).replace('route="shop"', 'route="payments"', 1)
    assert dict(read(text).notes) == {
        "SLO[shop].spec.indicator.spec.ratioMetric": "is not read: sluice/kind says what is counted"
    }


def test_an_edited_condition_is_told_to_be_lost() -> None:
    text = render(objectives(EVERY_KIND[1])).replace("threshold: 14.4", "threshold: 20")
    assert [path for path, _ in read(text).notes] == ["AlertCondition[page-fast-30d]"]


def test_a_policy_that_was_taken_away_is_told_to_be_there() -> None:
    text = render(objectives(EVERY_KIND[1])).replace("  - alertPolicyRef: ticket-slow-30d\n", "")
    assert ("SLO[shop].spec.alertPolicies", "Sluice alerts by ticket-slow too") in read(text).notes


@given(
    target=some.decimals("0.5", "0.999999", places=6),
    days=some.integers(1, 90),
    bound=some.floats(allow_nan=False, allow_infinity=False),
    promql=some.text(min_size=1, max_size=40),
    owner=some.text(max_size=20),
)
def test_any_gauge_comes_back(target: Decimal, days: int, bound: float, promql: str, owner: str) -> None:
    written = Objective(
        tier="edge",
        name="any",
        kind="gauge",
        target=target,
        gauge=promql,
        at_most=Decimal(str(bound)),
        period=timedelta(days=days),
        owner=owner,
    )

    said = read(render([written]))

    assert said.problems == ()
    assert [declared_as("edge", one.declared) for one in said.found] == [written]


def test_each_alert_tier_is_written_for_the_period() -> None:
    made = documents(objectives({**EVERY_KIND[1], "window_days": 28}))
    thresholds = [one["spec"]["condition"]["threshold"] for one in made if one["kind"] == "AlertCondition"]
    assert thresholds == [float(each.factor(timedelta(days=28))) for each in TIERS]
