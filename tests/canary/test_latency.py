"""Latency is judged at every edge of a histogram, from the scrapes that Prometheus stored."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from canary.domain import family, latency, recorded
from canary.domain.family import Family
from canary.domain.judge import Evidence, Limits, Tick, e_value
from canary.domain.metrics import FIRST, Metric
from canary.domain.odds import Cell
from canary.domain.scrapes import Folded, fold
from canary.domain.tally import queries
from canary.domain.verdicts import Kind, Words
from telemetry.domain.series import Series

ARMS: dict[str, Any] = {"canary": "shop-v2", "control": {"shop-v1"}}
METRICS = (Metric(name=FIRST), Metric(name="total_latency"))
EDGES = (5.0, 10.0, 20.0, 40.0, 80.0)
LIMITS = Limits(negligible=0.001)


def buckets(arm: str, edge: str, values: Sequence[float | None], name: str = "total_us") -> Series:
    labels = {"__name__": f"envoy_sluice_{name}_bucket", "proxy": "edge-1", "arm": arm, "le": edge}
    points = [(100 + i + 0.3, float(v)) for i, v in enumerate(values) if v is not None]
    return Series(labels, tuple(points))


def slower(folded: Folded, edge: float, name: str = "total_latency") -> list[Cell | None]:
    part = latency.part(name, edge)
    return [tick[part].cells["edge-1"] if part in tick else None for tick in folded.ticks]


def times(rng: np.random.Generator, n: int, scale: float = 1.0) -> list[int]:
    """Cumulative counts of lognormal times about 20, one an edge and then all."""
    drawn = rng.lognormal(np.log(20 * scale), 0.5, n)
    return [*(int((drawn <= edge).sum()) for edge in EDGES), n]


def ticks(seconds: int, factor: float, *, seed: int, n: int = 50) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [{"t": t, "canary": times(rng, n, factor), "control": times(rng, 19 * n)} for t in range(seconds)]


def judged(given: list[dict[str, Any]], edges: Sequence[float] = EDGES) -> tuple[Family, list[Kind]]:
    """The family's evidence after these ticks, in which no request fails, and its verdicts."""
    weighed = family.empty()
    kinds: list[Kind] = []
    for one in given:
        c, k, at = one["canary"], one["control"], float(one["t"])
        cells = {
            latency.part("total_latency", edge): Cell(c[-1], c[-1] - c[i], k[-1], k[-1] - k[i])
            for i, edge in enumerate(edges)
        }
        whole = Cell(c[-1], 0, k[-1], 0)
        tick = {part: Tick(at, {"": cell}) for part, cell in {FIRST: whole, "final": whole, **cells}.items()}
        weighed = family.observe(weighed, tick, LIMITS, metrics=METRICS)
        verdict = family.decide(
            weighed, LIMITS, canary="shop-v2", control="the control", tick=tick, metrics=METRICS
        ).verdicts["total_latency"]
        kinds.append(verdict.kind)
    return weighed, kinds


def test_raw_buckets_become_requests_slower_than_each_edge_by_arm() -> None:
    folded = fold(
        [
            buckets("shop-v1", "1000", [0, 10, 40]),
            buckets("shop-v1", "5000", [0, 80, 160]),
            buckets("shop-v1", "+Inf", [0, 90, 180]),
            buckets("shop-v2", "1000", [None, None, None]),
            buckets("shop-v2", "5000", [None, 2, 3]),
            buckets("shop-v2", "+Inf", [None, 10, 20]),
        ],
        **ARMS,
        after=None,
        now=110.0,
    )
    assert slower(folded, 1000) == [Cell(10, 10, 90, 80), Cell(10, 10, 90, 60)]
    assert slower(folded, 5000) == [Cell(10, 8, 90, 10), Cell(10, 9, 90, 10)]


def test_a_proxy_that_has_not_flushed_its_histogram_says_nothing_of_latency() -> None:
    given = [buckets("shop-v1", "1000", [0, 9, 9, 18]), buckets("shop-v1", "+Inf", [0, 10, 10, 20])]
    assert slower(fold(given, **ARMS, after=None, now=110.0), 1000) == [
        Cell(0, 0, 10, 1),
        None,
        Cell(0, 0, 10, 1),
    ]


def test_edges_are_the_same_however_prometheus_writes_them() -> None:
    given = [buckets("shop-v1", "1000.0", [0, 9]), buckets("shop-v1", "1e+06", [0, 10])]
    given.append(buckets("shop-v1", "+Inf", [0, 10]))
    folded = fold(given, **ARMS, after=None, now=110.0)
    assert slower(folded, 1000) == [Cell(0, 0, 10, 1)]
    assert slower(folded, 1_000_000) == [Cell(0, 0, 10, 0)]


def test_only_a_plan_with_a_latency_reads_its_histogram_and_of_added_one_attempt() -> None:
    assert not any("bucket" in query for query in queries("edge", "shop"))
    both = queries("edge", "shop", metrics=(*METRICS, Metric(name="added_latency")))
    assert both[-2:] == (
        'envoy_sluice_total_us_bucket{tier="edge",route="shop",chosen!="attribute"}',
        'envoy_sluice_added_us_bucket{tier="edge",route="shop",chosen!="attribute",attempts="1"}',
    )


def test_a_slower_canary_fails_within_seconds_and_the_edge_is_named() -> None:
    weighed, kinds = judged(ticks(60, 1.5, seed=1))
    assert 2 <= kinds.index("fail") < 10
    standing = family.standings(weighed, LIMITS, METRICS)[1]
    assert standing.edge in EDGES
    assert standing.counts == weighed[latency.part("total_latency", standing.edge or 0)].counts


def test_it_is_the_test_that_judges_recorded_data() -> None:
    given = ticks(40, 1.1, seed=3)
    weighed, kinds = judged(given)
    again = recorded.judge(
        {"kind": "latency", "edges": list(EDGES), "ticks": given, "alpha": LIMITS.alpha / 2}
    )
    first = kinds.index("fail") if "fail" in kinds else len(kinds)
    weighed, _ = judged(given[: first + 1])
    reading = family.standings(weighed, LIMITS, METRICS)[1].reading
    assert e_value(reading.log_fail) == pytest.approx(again["e_value"])


def test_a_healthy_canary_passes_though_at_some_edges_everything_or_nothing_is_slower() -> None:
    rng = np.random.default_rng(5)
    edges = (0.001, *EDGES, 1e6)

    def counted(n: int) -> list[int]:
        found = times(rng, n)
        return [0, *found[:-1], n, n]

    given = [{"t": t, "canary": counted(50), "control": counted(950)} for t in range(60)]
    _, kinds = judged(given, edges)
    assert "pass" in kinds
    assert "fail" not in kinds


def test_a_few_slow_requests_of_a_canary_earn_no_step() -> None:
    """An edge with fewer than 30 on either side cannot speak, and where none can nothing is passed."""
    _, kinds = judged(ticks(5, 1.0, seed=2, n=1))
    assert set(kinds) == {"inconclusive"}


def test_a_healthy_canary_is_seldom_failed_by_its_latency() -> None:
    # At most half of alpha 1 % are; 3 of 25 would be a one in ten thousand chance.
    failed = ["fail" in judged(ticks(40, 1.0, seed=seed, n=5))[1] for seed in range(25)]
    assert sum(failed) <= 2


def test_without_requests_in_an_arm_there_is_no_data() -> None:
    alone = [{"t": 0, "canary": [0] * 6, "control": times(np.random.default_rng(1), 100)}]
    assert judged(alone)[1] == ["no_data"]
    nothing: dict[float, Evidence] = {}
    assert latency.decide(nothing, LIMITS, lambda edge: Words()).kind == "no_data"


def test_the_evidence_of_all_edges_survives_a_restart_with_the_same_e() -> None:
    weighed, _ = judged(ticks(20, 1.1, seed=4))
    restored = family.load(family.dump(weighed))
    assert restored == weighed
    assert family.standings(restored, LIMITS, METRICS) == family.standings(weighed, LIMITS, METRICS)


@pytest.mark.parametrize(("edge", "words"), [(250, "250 us"), (2500, "2.5 ms"), (1_000_000, "1 s")])
def test_an_edge_is_said_in_its_unit(edge: float, words: str) -> None:
    assert latency.duration(edge) == words
