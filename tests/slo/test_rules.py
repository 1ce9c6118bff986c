"""The rule file: its shape, and what `promtool` computes with it."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.domain import rules
from slo.domain.objectives import Objective
from telemetry import rulefiles
from telemetry.domain.promql import duration
from tests.slo.recorded import only

DECLARED = (
    only("route_availability", "0.995"),
    only("added_latency", "0.99", route="shop", threshold_us=3000),
)
EVERY_KIND = (
    *DECLARED,
    only("proxy_availability", "0.9995", period=timedelta(days=7)),
    only("backend_availability", "0.99", upstream="shop-v1"),
    only("total_latency", "0.99", threshold_us=250_000),
    only("backend_latency", "0.99", upstream="shop-v1", threshold_us=100_000),
    only("first_attempts", "0.99", route="shop"),
    only("saturation", "0.99", resource="pool", upstream="shop-v1", at_most=Decimal("0.8")),
    *(
        only("saturation", "0.99", resource=resource, at_most=Decimal("0.8"))
        for resource in ("connections", "worker_cpu", "memory", "buffers")
    ),
    only("tls_handshakes", "0.99"),
    only("tls_resumption", "0.9", at_least=Decimal("0.5")),
    only("tls_fresh", "0.99", at_most=Decimal(100)),
    only("retries", "0.9", route="shop"),
    only("retry_budget", "0.9", upstream="shop-v1"),
    only("ratio", "0.99", bad="rate(bad_total[1m])", total="rate(all_total[1m])"),
    only("gauge", "0.99", gauge="max(depth)", at_most=Decimal(10)),
)
ORDER = ["sluice-events", "sluice-births", "sluice-hours", "sluice-days"]
SHOP = 'tier="edge",proxy="edge-1",route="shop"'
ALL = 'envoy_sluice_rq{tier="edge",route="shop"}'
BACKEND = 'envoy_sluice_rq{tier="edge",route="shop",reason="backend",code=~"5.."}'


def promtool(
    directory: Path,
    series: dict[str, str],
    cases: list[tuple[str, str, list[Any]]],
    *,
    every: str = duration(rules.BASE),
    apart: str = "15s",
    declared: Iterable[Objective] = DECLARED,
) -> str:
    """Run the rules over `series`, whose samples are `apart`; each case is (time, PromQL, expected samples)."""
    (directory / "sluice.yml").write_text(rules.render(declared))
    test = {
        "rule_files": ["sluice.yml"],
        "evaluation_interval": every,
        "group_eval_order": ORDER,
        "tests": [
            {
                "interval": apart,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": at, "exp_samples": expected} for at, expr, expected in cases
                ],
            }
        ],
    }
    path = directory / "test.yml"
    path.write_text(yaml.safe_dump(test))
    argv = ["promtool", "test", "rules", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def is_true(value: float = 1) -> list[Any]:
    return [{"labels": "{}", "value": value}]


def count(family: str, window: str, sli: str = "route_availability", **labels: str) -> str:
    more = "".join(f',{name}="{value}"' for name, value in labels.items())
    return f'sum({family}:count{{sli="{sli}",tier="edge",route="shop",window="{window}"{more}}})'


def test_the_same_objectives_give_the_same_text() -> None:
    assert rules.render(DECLARED) == rules.render(reversed(DECLARED))


def test_the_number_of_rules_does_not_grow_with_objectives() -> None:
    few, many = (
        [only("route_availability", "0.999", route=f"r{n}") for n in range(count)] for count in (1, 1000)
    )
    assert rules.render(few).count("record:") == rules.render(many).count("record:") == 37


def test_another_period_adds_its_windows_and_its_promise() -> None:
    month = only("route_availability", "0.999")
    shorter = replace(month, name="short", period=timedelta(days=28))
    added = rules.render([month, shorter]).count("record:") - rules.render([month]).count("record:")
    assert added == 4


def test_a_calendars_period_is_no_window() -> None:
    quarterly = only("route_availability", "0.999", calendar="quarter", period=timedelta(days=90))

    assert rules.render([quarterly]).count("window: 90d") == 0


def test_no_rule_is_a_ratio_of_events_or_a_subquery() -> None:
    document = yaml.safe_load(rules.render(DECLARED))
    expressions = [rule["expr"] for group in document["groups"] for rule in group["rules"]]

    assert [e for e in expressions if re.search(r"\[\w+:\w*\]", e) or "avg_over_time" in e] == []


@pytest.mark.real
def test_promtool_has_no_objection_to_any_of_them() -> None:
    assert rulefiles.check(rules.render(EVERY_KIND)) == ""


@pytest.mark.real
def test_the_same_kind_may_be_asked_of_tiers_routes_and_upstreams_at_once() -> None:
    shop = only("route_availability", "0.999")
    several = (
        shop,
        replace(shop, route="payments", target=Decimal("0.99")),
        replace(shop, name="again", severity="ticket"),
        replace(shop, tier="inner"),
        only("added_latency", "0.99", threshold_us=3000),
        only("added_latency", "0.99", route="shop", threshold_us=3000),
        only("backend_availability", "0.99", route="shop"),
        only("backend_availability", "0.99", upstream="shop-v1"),
    )

    assert rulefiles.check(rules.render(several)) == ""


@pytest.mark.real
def test_a_comment_in_a_person_s_promql_swallows_no_bracket() -> None:
    own = (
        only("ratio", "0.99", bad="rate(bad_total[1m]) # ours", total="rate(all_total[1m]) # theirs"),
        replace(only("gauge", "0.99", gauge="depth # now", at_most=Decimal(1)), name="depth"),
    )

    assert rulefiles.check(rules.render(own)) == ""


@pytest.mark.real
def test_thresholds_are_constants_for_each_place_that_an_objective_names(tmp_path: Path) -> None:
    shop = only("route_availability", "0.999")
    declared = (shop, replace(shop, name="soft", target=Decimal("0.99"), severity="ticket"))
    series = {
        f'envoy_sluice_rq{{{SHOP},code="200",reason="backend"}}': "0+150x40",
        'envoy_sluice_rq{tier="edge",proxy="edge-1",route="blog",code="200",reason="backend"}': "0+150x40",
    }

    said = promtool(
        tmp_path,
        series,
        [
            ("10m", 'sum(sluice:sli_allowed{tier="edge",route="shop",target="0.999"})', is_true(0.001)),
            ("10m", 'sum(sluice:sli_allowed{route="shop",severity="ticket",period="30d"})', is_true(0.01)),
            ("10m", 'sluice:sli_allowed{route="blog"}', []),
        ],
        declared=declared,
    )

    assert said == ""


@pytest.mark.real
def test_promtool_objects_to_a_rule_that_is_there_twice() -> None:
    group = {"name": "g", "rules": [{"record": "a:b", "expr": "up"}] * 2}

    assert "duplicate" in rulefiles.check(yaml.safe_dump({"groups": [group]}))


@pytest.mark.real
def test_recorded_windows_weigh_by_events_on_uneven_traffic(tmp_path: Path) -> None:
    # 10 min at 100/s without a failure, then 20 min at 1/s with one failure in ten.
    series = {
        f'envoy_sluice_rq{{{SHOP},code="200",reason="backend"}}': "0+1500x40 60013.5+13.5x79",
        f'envoy_sluice_rq{{{SHOP},code="503",reason="backend"}}': "0x40 1.5+1.5x79",
    }
    recorded = f"{count('sluice:sli_bad', '30m')} / {count('sluice:sli_events', '30m')}"
    true = f"sum(increase({BACKEND}[30m])) / sum(increase({ALL}[30m]))"

    said = promtool(
        tmp_path,
        series,
        [
            ("30m", f"{true} < bool 0.0021", is_true()),
            ("30m", f"abs({recorded} / ({true}) - 1) < bool 0.02", is_true()),
            ("30m", f"abs({count('sluice:sli_events', '30m')} / 61200 - 1) < bool 0.02", is_true()),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_a_missing_error_series_is_no_failure_but_only_where_there_are_requests(tmp_path: Path) -> None:
    series = {f'envoy_sluice_rq{{{SHOP},code="200",reason="backend"}}': "0+150x40"}
    elsewhere = 'sluice:sli_bad:count{route="payments"}'

    said = promtool(
        tmp_path,
        series,
        [
            ("10m", count("sluice:sli_bad", "5m", originator="proxy"), is_true(0)),
            ("10m", count("sluice:sli_bad", "5m", originator="backend"), is_true(0)),
            ("10m", count("sluice:sli_events", "5m"), is_true(3000)),
            ("10m", elsewhere, []),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_the_first_failure_of_its_kind_is_counted_once(tmp_path: Path) -> None:
    series = {
        'up{tier="edge",proxy="edge-1"}': "1x60",
        f'envoy_sluice_rq{{{SHOP},code="200",reason="backend"}}': "0+150x60",
        f'envoy_sluice_rq{{{SHOP},code="503",reason="backend"}}': "_x20 1x20 3x20",
        f'envoy_sluice_rq{{{SHOP},code="504",reason="upstream_timeout"}}': "_x40 7x20",
    }

    said = promtool(
        tmp_path,
        series,
        [
            ("9m", f"round({count('sluice:sli_bad', '30m', originator='backend')}, 0.01)", is_true(1)),
            ("14m", f"round({count('sluice:sli_bad', '30m', originator='proxy')}, 0.01)", is_true(7)),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_a_prometheus_that_just_started_does_not_count_the_past(tmp_path: Path) -> None:
    series = {
        'up{tier="edge",proxy="edge-1"}': "1x60",
        f'envoy_sluice_rq{{{SHOP},code="200",reason="backend"}}': "900000+150x60",
        f'envoy_sluice_rq{{{SHOP},code="503",reason="backend"}}': "5000x60",
    }

    said = promtool(
        tmp_path,
        series,
        [
            ("1m", count("sluice:sli_bad", "5m"), is_true(0)),
            ("1m", f"{count('sluice:sli_events', '5m')} > bool 400", is_true()),
            ("10m", count("sluice:sli_bad", "30m"), is_true(0)),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_failures_of_the_backend_and_of_the_proxy_are_recorded_apart(tmp_path: Path) -> None:
    series = {
        f'envoy_sluice_rq{{{SHOP},code="200",reason="backend"}}': "0+135x40",
        f'envoy_sluice_rq{{{SHOP},code="500",reason="backend"}}': "0+9x40",
        f'envoy_sluice_rq{{{SHOP},code="504",reason="upstream_timeout"}}': "0+4x40",
        f'envoy_sluice_rq{{{SHOP},code="503",reason="circuit_open"}}': "0+2x40",
        f'envoy_sluice_rq{{{SHOP},code="0",reason="client_gone"}}': "0+50x40",
    }

    said = promtool(
        tmp_path,
        series,
        [
            ("10m", f"round({count('sluice:sli_events', '5m')})", is_true(3000)),
            ("10m", f"round({count('sluice:sli_bad', '5m', originator='backend')})", is_true(180)),
            ("10m", f"round({count('sluice:sli_bad', '5m', originator='proxy')})", is_true(120)),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_failures_of_grpc_are_recorded_though_http_says_200(tmp_path: Path) -> None:
    answer = f'envoy_sluice_rq{{{SHOP},code="200"'
    series = {
        'up{tier="edge",proxy="edge-1"}': "1x40",
        f'{answer},grpc="0",reason="backend"}}': "0+135x40",
        f'{answer},grpc="13",reason="backend"}}': "0+9x40",
        f'{answer},grpc="14",reason="connect_failed"}}': "0+6x40",
        f'{answer},grpc="",reason="client_gone"}}': "0+50x40",
        # An HTTP 503 that bears a status too is one failure.
        f'envoy_sluice_rq{{{SHOP},code="503",grpc="14",reason="backend"}}': "0+3x40",
    }

    said = promtool(
        tmp_path,
        series,
        [
            ("10m", f"round({count('sluice:sli_events', '5m')})", is_true(3060)),
            ("10m", f"round({count('sluice:sli_bad', '5m', originator='backend')})", is_true(240)),
            ("10m", f"round({count('sluice:sli_bad', '5m', originator='proxy')})", is_true(120)),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_a_proxy_that_restarts_is_not_counted_twice(tmp_path: Path) -> None:
    series = {
        f'envoy_sluice_rq{{{SHOP},code="200",reason="backend"}}': "0+150x20 150+150x19",
        'envoy_sluice_rq{tier="edge",proxy="edge-2",route="shop",code="200",reason="backend"}': "0+150x40",
    }

    said = promtool(
        tmp_path, series, [("10m", f"round({count('sluice:sli_events', '5m')}, 10)", is_true(6000))]
    )

    assert said == ""


@pytest.mark.real
def test_only_the_edge_of_an_objective_is_recorded_and_of_first_attempts(tmp_path: Path) -> None:
    bucket = f"envoy_sluice_added_us_bucket{{{SHOP}"
    series = {
        f'{bucket},attempts="1",le="750"}}': "0+90x40",
        f'{bucket},attempts="1",le="3000"}}': "0+99x40",
        f'{bucket},attempts="1",le="+Inf"}}': "0+100x40",
        f'{bucket},attempts="2",le="+Inf"}}': "0+70x40",
    }

    said = promtool(
        tmp_path,
        series,
        [
            ("10m", f"round({count('sluice:sli_events', '5m', 'added_latency:3000')})", is_true(2000)),
            ("10m", f"round({count('sluice:sli_bad', '5m', 'added_latency:3000')})", is_true(20)),
            ("10m", 'sluice:sli_events:count{sli="added_latency:750"}', []),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_coverage_is_the_share_of_the_window_that_was_scraped(tmp_path: Path) -> None:
    # Up for 10 min, down for 10, up for 10.
    series = {'up{tier="edge",proxy="edge-1"}': "1x40 0x39 1x40"}

    said = promtool(
        tmp_path,
        series,
        [
            ("29m45s", 'round(sum(sluice:coverage:ratio{window="30m"}), 0.01)', is_true(0.67)),
            ("29m45s", 'sum(sluice:coverage:ratio{window="5m"})', is_true(1)),
            ("15m", 'sluice:coverage:ratio{window="5m",tier="edge"}', []),
        ],
    )

    assert said == ""


@pytest.mark.real
def test_days_add_up_blocks_of_five_minutes(tmp_path: Path) -> None:
    # promtool evaluates every group at one interval, so the rates that blocks are made of are given.
    name = 'sluice:sli_events:rate1m{sli="route_availability",tier="edge",route="shop"}'
    series = {name: "_ 10x59 20x59"}

    said = promtool(
        tmp_path,
        series,
        [
            ("30m", f"round({count('sluice:sli_events', '30d')})", is_true(18_000)),
            ("60m", f"round({count('sluice:sli_events', '30d')})", is_true(54_000)),
            ("60m", f"round({count('sluice:sli_events', '1d')})", is_true(54_000)),
        ],
        every="5m",
        apart=duration(rules.BASE),
    )

    assert said == ""
