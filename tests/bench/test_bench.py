"""The benchmarks' harness, in a run that is too short for its figures to say anything."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import sloth
from bench.envoy import unmeasured
from bench.figures import Target, figure, percentile, table
from proxy.domain.translate import measuring
from tests.proxy.factories import tier

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ("push", "scale", "objectives", "judge", "runs", "throughput", "hop", "handshakes")
"""Those that need no whole system; the others are in test_scenarios.py."""


@pytest.mark.real
def test_a_quick_run_measures_everything_and_writes_it_down(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    argv = [sys.executable, "-m", "bench", *MEASURED, "--quick", "--output", str(output)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    document = json.loads(output.read_text())
    figures = {(each["bench"], each["name"]): each for each in document["figures"]}
    assert document["quick"]
    assert {bench for bench, _ in figures} == {*MEASURED}
    assert all(each["least"] <= each["value"] <= each["greatest"] for each in figures.values())
    assert 0 < figures["push", "10 routes"]["value"] < 5000
    assert 0 < figures["scale", "10 clients: all acknowledge"]["value"] < 10
    assert figures["objectives", "rules of 8 objectives: Sloth's shape / Sluice"]["target"]["limit"] == 100
    assert figures["objectives", "tick, 8 routes: SQL queries"]["verdict"] == "holds"
    assert figures["objectives", "overview, 8 routes: PromQL queries"]["verdict"] == "holds"
    assert figures["judge", "tick, 4 live rollouts: PromQL queries"]["verdict"] == "holds"
    assert figures["runs", "tick, 4 open runs: PromQL queries"]["verdict"] == "holds"
    assert figures["judge", "0.1% -> 0.3 at 5 %: Flagger"]["value"] == 600
    assert 0 < figures["throughput", "with / without"]["value"] < 10
    assert figures["hop", "saturation, direct"]["value"] > 100
    assert _faster(figures, "RSA-2048, TLS 1.2")
    assert "| push " in ran.stdout


def _faster(figures: dict[tuple[str, str], Any], kind: str) -> bool:
    """An RSA signature costs so much that even ten handshakes show that it was left out."""
    fresh, resumed = (figures["handshakes", f"{kind}, {how}"]["value"] for how in ("fresh", "resumed"))
    return bool(resumed > fresh)


def test_a_figure_is_the_median_with_its_spread_and_is_held_to_its_target() -> None:
    held = figure("push", "10 routes", "ms", [40, 90, 30], Target("under", 100))
    missed = figure("push", "ratio", "", [1.6], Target("at most", 1.5))
    assert (held.value, held.least, held.greatest, held.verdict) == (40, 30, 90, "holds")
    assert missed.verdict == "MISSED"
    assert "| push  | 10 routes | 40.0 ms | 30.0 to 90.0      | 3  | under 100   | holds  |" in table(
        [held, missed]
    )


def test_a_percentile_is_a_measured_value_that_its_share_does_not_exceed() -> None:
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([7], 0.99) == 7


def test_a_rule_set_in_sloths_shape_has_seventeen_rules() -> None:
    assert len(sloth.recordings("shop")) == 15
    assert len(sloth.alerts("shop")) == 2


def test_an_unmeasured_envoy_has_none_of_the_loggers_that_measure() -> None:
    given = tier()
    manager = {"access_log": measuring.request_logs(given), "track_cluster_stats": {}, "stat_prefix": "edge"}
    assert unmeasured(manager) == {"access_log": [], "stat_prefix": "edge"}
