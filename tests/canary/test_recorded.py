"""`manage.py judge`: verdicts as JSON, and errors that name the field."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from canary.domain.recorded import BadRecording, judge


def counts(
    seconds: int, canary: float, control: float = 0.001, *, seed: int = 1, **more: Any
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    e_c, e_k = rng.binomial(50, canary, seconds), rng.binomial(950, control, seconds)
    ticks = [{"t": t, "canary": [50, int(e_c[t])], "control": [950, int(e_k[t])]} for t in range(seconds)]
    return {"kind": "counts", "ticks": ticks, **more}


def latency(seconds: int, factor: float, *, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    edges = [5, 10, 20, 40, 80]

    def buckets(n: int, scale: float) -> list[int]:
        drawn = rng.lognormal(np.log(20 * scale), 0.5, n)
        return [*(int((drawn <= edge).sum()) for edge in edges), n]

    ticks = [{"t": t, "canary": buckets(50, factor), "control": buckets(950, 1.0)} for t in range(seconds)]
    return {"kind": "latency", "edges": edges, "ticks": ticks}


def test_a_regression_fails_and_says_when_and_why() -> None:
    verdict = judge(counts(60, 0.05))
    assert verdict["verdict"] == "fail"
    assert verdict["at"] <= 6
    assert verdict["e_value"] >= 100
    assert "the canary fails" in verdict["reason"]


def test_a_healthy_canary_passes() -> None:
    verdict = judge(counts(400, 0.001))
    assert (verdict["verdict"], verdict["at"]) == ("pass", verdict["passed_at"])


def test_a_regression_after_a_pass_is_still_a_fail() -> None:
    late = counts(60, 0.05, seed=2)["ticks"]
    ticks = [*counts(400, 0.001)["ticks"], *({**tick, "t": 400 + tick["t"]} for tick in late)]
    verdict = judge({"kind": "counts", "ticks": ticks})
    assert verdict["verdict"] == "fail"
    assert 400 < verdict["at"] < 410
    assert verdict["passed_at"] < 400


def test_no_ticks_is_no_data_and_a_few_are_inconclusive() -> None:
    assert judge({"kind": "counts", "ticks": []})["verdict"] == "no_data"
    assert judge(counts(3, 0.001))["verdict"] == "inconclusive"


def test_a_missing_scrape_is_dropped_for_both_arms() -> None:
    given = counts(60, 0.05)
    holes = [{**tick, "canary": None} if tick["t"] == 2 else tick for tick in given["ticks"]]
    without = [tick for tick in given["ticks"] if tick["t"] != 2]
    assert judge({**given, "ticks": holes}) == judge({**given, "ticks": without})


def test_alpha_moves_the_limit() -> None:
    strict = judge(counts(60, 0.05, alpha=1e-9))
    assert strict["limit"] == pytest.approx(1e9)
    assert strict["at"] > judge(counts(60, 0.05))["at"] >= 1


def test_slower_answers_fail_and_the_edge_is_named() -> None:
    verdict = judge(latency(60, 1.5))
    assert verdict["verdict"] == "fail"
    assert verdict["at"] < 10
    assert f"is slower than {verdict['edge']:g}" in verdict["reason"]


def test_equal_latency_passes() -> None:
    assert judge(latency(120, 1.0))["verdict"] == "pass"


def test_samples_are_compared_in_the_direction_that_hurts() -> None:
    rng = np.random.default_rng(3)
    control, higher = rng.normal(10, 1, 60).tolist(), rng.normal(12, 1, 60).tolist()
    given = {"kind": "samples", "canary": higher, "control": control}
    assert judge({**given, "direction": "increase"})["verdict"] == "fail"
    assert judge({**given, "direction": "either"})["verdict"] == "fail"
    assert judge({**given, "direction": "decrease"})["verdict"] == "pass"


@pytest.mark.parametrize(
    ("canary", "control", "verdict"),
    [([], [1.0] * 30, "no_data"), ([1.0] * 5, [1.0] * 30, "inconclusive"), ([0.0] * 30, [0.0] * 30, "pass")],
)
def test_few_points_and_equal_points_have_outcomes_of_their_own(
    canary: list[float], control: list[float], verdict: str
) -> None:
    assert judge({"kind": "samples", "canary": canary, "control": control})["verdict"] == verdict


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "medians"}, "kind"),
        ({"alpha": 0}, "alpha"),
        ({"beta": "low"}, "beta"),
        ({"w0": 5, "w1": 2}, "w1"),
        ({"ticks": None}, "ticks"),
        ({"ticks": [{"t": 0, "canary": [50, 60], "control": [950, 0]}]}, "ticks[0].canary"),
        ({"ticks": [{"t": 0, "canary": [50, -1], "control": [950, 0]}]}, "ticks[0].canary"),
        ({"ticks": [{"t": 0, "canary": [50, 1]}]}, "ticks[0].control"),
        ({"ticks": [{"canary": [50, 1], "control": [950, 0]}]}, "ticks[0].t"),
        ({"kind": "latency"}, "edges"),
        ({"kind": "latency", "edges": [1, 1]}, "edges"),
        (
            {"kind": "latency", "edges": [1], "ticks": [{"t": 0, "canary": [5, 4], "control": [5, 9]}]},
            "ticks[0].canary",
        ),
        ({"kind": "samples", "canary": ["x"]}, "canary"),
        ({"kind": "samples", "canary": [], "control": [], "direction": "up"}, "direction"),
    ],
)
def test_bad_input_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRecording) as caught:
        judge({**counts(2, 0.001), **change})
    assert caught.value.field == field


def test_the_command_prints_json(tmp_path: Path) -> None:
    file = tmp_path / "ticks.json"
    file.write_text(json.dumps(counts(60, 0.05)))
    out = StringIO()
    call_command("judge", str(file), stdout=out)
    assert json.loads(out.getvalue())["verdict"] == "fail"


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "counts"}', None])
def test_the_command_ends_with_2_on_what_it_cannot_judge(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ticks.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CommandError) as caught:
        call_command("judge", str(file))
    assert caught.value.returncode == 2
