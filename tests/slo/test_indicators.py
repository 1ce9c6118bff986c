"""What each kind of objective counts, computed by `promtool` from the proxies' own counters."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from slo.domain.indicators import indicator, sli
from slo.domain.objectives import Objective
from slo.domain.readings import burn_promql
from slo.domain.windows import SHORT
from tests.slo.recorded import only
from tests.slo.test_rules import SHOP, is_true, promtool

EDGE = 'tier="edge",proxy="edge-1"'
CLUSTER = f'{EDGE},envoy_cluster_name="shop-v1"'
LISTENER = f'{EDGE},envoy_listener_address="0.0.0.0_10443"'
# 15 s apart: 150 in a step are 10 a second.
COUNTERS = {
    f"up{{{EDGE}}}": "1x40",
    f'envoy_sluice_rq{{{SHOP},arm="shop-v1",code="200",reason="backend"}}': "0+120x40",
    f'envoy_sluice_rq{{{SHOP},arm="shop-v1",code="500",reason="backend"}}': "0+15x40",
    f'envoy_sluice_rq{{{SHOP},arm="shop-v1",code="504",reason="upstream_timeout"}}': "0+15x40",
    f'envoy_sluice_total_us_bucket{{{SHOP},arm="shop-v1",le="250000"}}': "0+90x40",
    f'envoy_sluice_total_us_bucket{{{SHOP},arm="shop-v1",le="+Inf"}}': "0+150x40",
    f'envoy_cluster_upstream_rq_time_bucket{{{CLUSTER},le="0.5"}}': "0+30x40",
    f'envoy_cluster_upstream_rq_time_bucket{{{CLUSTER},le="100"}}': "0+120x40",
    f'envoy_cluster_upstream_rq_time_bucket{{{CLUSTER},le="+Inf"}}': "0+150x40",
    f'envoy_sluice_attempt{{{SHOP},arm="shop-v1",attempt="1",code="200",flags="-"}}': "0+105x40",
    f'envoy_sluice_attempt{{{SHOP},arm="shop-v1",attempt="1",code="503",flags="-"}}': "0+30x40",
    f'envoy_sluice_attempt{{{SHOP},arm="shop-v1",attempt="1",code="0",flags="UF"}}': "0+15x40",
    f'envoy_sluice_attempt{{{SHOP},arm="shop-v1",attempt="1",code="0",flags="-"}}': "0+15x40",
    f'envoy_sluice_attempt{{{SHOP},arm="shop-v1",attempt="2",code="200",flags="-"}}': "0+55x40",
    f"envoy_cluster_upstream_rq_active{{{CLUSTER}}}": "90x40",
    f"envoy_cluster_circuit_breakers_default_remaining_rq{{{CLUSTER}}}": "10x40",
    f"envoy_cluster_upstream_rq_retry{{{CLUSTER}}}": "0+120x40",
    f"envoy_cluster_upstream_rq_retry_overflow{{{CLUSTER}}}": "0+30x40",
    f"envoy_cluster_upstream_cx_rx_bytes_buffered{{{CLUSTER}}}": "1000x40",
    f"envoy_cluster_upstream_cx_tx_bytes_buffered{{{CLUSTER}}}": "1000x40",
    f'envoy_http_downstream_cx_rx_bytes_buffered{{{EDGE},envoy_http_conn_manager_prefix="edge"}}': "1000x40",
    f'envoy_http_downstream_cx_tx_bytes_buffered{{{EDGE},envoy_http_conn_manager_prefix="edge"}}': "1000x40",
    f"envoy_overload_envoy_resource_monitors_fixed_heap_pressure{{{EDGE}}}": "95x30 20x9",
    f"envoy_overload_envoy_resource_monitors_global_downstream_max_connections_pressure{{{EDGE}}}": "20x40",
    f'envoy_listener_manager_worker_dispatcher_loop_duration_us_sum{{{EDGE},worker="0"}}': "0+13500000x40",
    f"envoy_listener_ssl_handshake{{{LISTENER}}}": "0+120x40",
    f"envoy_listener_ssl_connection_error{{{LISTENER}}}": "0+30x40",
    f"envoy_listener_ssl_session_reused{{{LISTENER}}}": "0+90x40",
    f"bad_total{{{EDGE}}}": "0+15x40",
    f"all_total{{{EDGE}}}": "0+150x40",
    f"depth{{{EDGE}}}": "5x40",
}
AT_MOST, AT_LEAST = Decimal("0.8"), Decimal("0.8")
CASES: Mapping[str, tuple[Objective, float]] = {
    # Each with the share of events that is bad.
    "proxy": (only("proxy_availability", "0.99"), 0.1),
    "proxy of a route": (only("proxy_availability", "0.99", route="shop"), 0.1),
    "route": (only("route_availability", "0.99"), 0.2),
    "backends of a route": (only("backend_availability", "0.99", route="shop"), 1 / 9),
    "an upstream": (only("backend_availability", "0.99", upstream="shop-v1"), 1 / 9),
    "total latency": (only("total_latency", "0.99", threshold_us=250_000), 0.4),
    "backend latency": (only("backend_latency", "0.99", upstream="shop-v1", threshold_us=100_000), 0.2),
    "backend latency of half a ms": (
        only("backend_latency", "0.99", upstream="shop-v1", threshold_us=500),
        0.8,
    ),
    "first attempts, without those whose client left": (only("first_attempts", "0.99", route="shop"), 0.3),
    "retries": (only("retries", "0.9", route="shop"), 0.25),
    "retries of an upstream": (only("retries", "0.9", upstream="shop-v1"), 0.25),
    "retry budget": (only("retry_budget", "0.9", upstream="shop-v1"), 0.2),
    "pool": (only("saturation", "0.99", resource="pool", upstream="shop-v1", at_most=AT_MOST), 1),
    "memory": (only("saturation", "0.99", resource="memory", at_most=AT_MOST), 0.5),
    "connections": (only("saturation", "0.99", resource="connections", at_most=AT_MOST), 0),
    "worker": (only("saturation", "0.99", resource="worker_cpu", at_most=AT_MOST), 1),
    "buffers": (only("saturation", "0.99", resource="buffers", at_most=Decimal(3999)), 1),
    "handshakes": (only("tls_handshakes", "0.99"), 0.2),
    "resumption": (only("tls_resumption", "0.9", at_least=AT_LEAST), 1),
    "fresh handshakes": (only("tls_fresh", "0.99", at_most=Decimal(1)), 1),
    "few fresh handshakes": (only("tls_fresh", "0.98", at_most=Decimal(3)), 0),
    "bad of total": (only("ratio", "0.99", bad="rate(bad_total[1m])", total="rate(all_total[1m])"), 0.1),
    "gauge": (only("gauge", "0.99", gauge="max(depth)", at_most=Decimal(10)), 0),
    "gauge out of bounds": (only("gauge", "0.98", gauge="max(depth)", at_least=Decimal(10)), 1),
}


@pytest.mark.real
def test_each_kind_counts_what_it_says(tmp_path: Path) -> None:
    named = {what: _named(one, number) for number, (what, (one, _)) in enumerate(CASES.items())}
    cases = []
    for what, (_, share) in CASES.items():
        one = named[what]
        burn = burn_promql(one, SHORT[0])
        cases.append(("10m", f"abs({burn} * {one.allowed:f} - {share}) < bool 0.01", is_true()))

    said = promtool(tmp_path, COUNTERS, cases, declared=named.values())

    assert said == ""


@pytest.mark.real
def test_a_quotient_that_is_nan_or_infinite_for_a_while_leaves_its_window_known(tmp_path: Path) -> None:
    one = only(
        "ratio",
        "0.9",
        bad="rate(bad_total[1m])",
        total="sum(all_total) / sum(parts_total)",
    )
    series = {
        f"up{{{EDGE}}}": "1x40",
        f"bad_total{{{EDGE}}}": "0+15x40",
        f"all_total{{{EDGE}}}": "20x24 0x1 20x14",
        f"parts_total{{{EDGE}}}": "2x24 0x3 2x12",
    }
    burn = burn_promql(one, SHORT[0])

    said = promtool(
        tmp_path, series, [("10m", f"abs({burn} * 0.1 - 0.1) < bool 0.01", is_true())], declared=[one]
    )

    assert said == ""


@pytest.mark.real
def test_without_the_edge_of_its_threshold_nothing_is_known(tmp_path: Path) -> None:
    one = only("total_latency", "0.99", threshold_us=250_000)
    series = {
        f'envoy_sluice_total_us_bucket{{{SHOP},arm="shop-v1",le="100000"}}': "0+90x40",
        f'envoy_sluice_total_us_bucket{{{SHOP},arm="shop-v1",le="+Inf"}}': "0+150x40",
    }

    said = promtool(tmp_path, series, [("10m", "sluice:sli_events:count", [])], declared=[one])

    assert said == ""


def _named(one: Objective, number: int) -> Objective:
    """Its own name, since what a person's PromQL counts is called by it."""
    return replace(one, name=f"n{number}")


def test_a_label_cannot_break_out_of_a_person_s_own_rule() -> None:
    odd = only("gauge", "0.99", gauge="depth", at_most=Decimal(1), upstream='a"} or up{b="')
    assert indicator(odd).only == (("tier", "edge"), ("upstream", 'a"} or up{b="'))
    assert sli(odd) == "gauge:edge/it"
