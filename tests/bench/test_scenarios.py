"""The benchmarks of whole rollouts: one scenario on the real stack, and what is made of what was seen."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import scenarios
from bench.rollback import phases
from bench.runner import BENCHES
from bench.scenarios import SCENARIOS, Trial

ROOT = Path(__file__).resolve().parents[2]
BROKEN_AT = 1_764_000_000.0


@pytest.mark.real
@pytest.mark.stack
@pytest.mark.timeout(300)
def test_a_quick_run_brings_one_scenario_to_its_verdict_on_the_real_stack(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    argv = [sys.executable, "-m", "bench", "scenarios", "--quick", "--output", str(output)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    figures = {each["name"]: each for each in json.loads(output.read_text())["figures"]}
    name = SCENARIOS[0].name
    assert figures[f"{name}: not rolled back"]["verdict"] == "holds"
    assert 0 < figures[f"{name}: to the verdict"]["value"] < 60
    assert figures[f"{name}: failed requests"]["value"] >= 5, "the judge's floor, each seen by a client"
    assert figures[f"{name}: weight held"]["value"] == 5
    assert f"| {name} | rolled back |" in ran.stdout


def test_the_scenarios_have_names_of_their_own_and_both_ends() -> None:
    assert {"scenarios", "rollback"} <= set(BENCHES)
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert {scenario.expected for scenario in SCENARIOS} == {"promoted", "rolled_back"}


def test_a_line_of_the_table_has_every_verdict_and_the_spread_where_there_is_one() -> None:
    fell = [Trial("rolled_back", seconds, 7, 0, 5.0) for seconds in (3.0, 4.5, 9.0)]
    stayed = [Trial("needs_human", 20.0, 0, 3, 4.96)]
    lines = scenarios.table({"errors": fell, "ADS away": stayed}).splitlines()
    assert lines[2] == "| errors | rolled back, rolled back, rolled back | 4.5 (3.0 to 9.0) | 7 | 0 | 5.0 |"
    assert lines[3] == "| ADS away | needs human | 20.0 | 0 | 3 | 5.0 |"


def rollout(**times: str) -> dict[str, Any]:
    return {"times": times}


def test_the_phases_of_a_fall_are_counted_from_the_fault() -> None:
    times = {
        "evidence_at": "2025-11-24T16:00:02+00:00",
        "decided_at": "2025-11-24T16:00:02.500+00:00",
        "acked_at": "2025-11-24T16:00:03+00:00",
    }
    fell = phases(rollout(**times), BROKEN_AT, committed_at=BROKEN_AT + 2.7, last_at=BROKEN_AT + 2.9)
    assert str(fell) == (
        "scraped 2.00 s, judged 2.50 s, committed 2.70 s, acknowledged 3.00 s, obeyed 2.90 s"
    )
