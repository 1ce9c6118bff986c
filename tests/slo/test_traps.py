"""Where other tools' windows are wrong: the recorded share of bad events is that of the raw counters.

`promtool` has Prometheus' own engine. The truth is `sum(increase(bad)) / sum(increase(all))`, and where
`increase` itself is wrong (a counter that is born), the number of events that happened.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from slo.domain.windows import SHORT
from telemetry.domain.promql import duration
from tests.slo.recorded import only
from tests.slo.test_rules import SHOP, is_true, promtool

UP = {'up{tier="edge",proxy="edge-1"}': "1x130", 'up{tier="edge",proxy="edge-2"}': "1x130"}
GOOD, BAD = f'{SHOP},code="200",reason="backend"', f'{SHOP},code="503",reason="backend"'
OTHER = 'tier="edge",proxy="edge-2",route="shop",code="200",reason="backend"'
ROUTE = only("route_availability", "0.99")
HALF_HOUR = duration(SHORT[1])
MATCHED = 'envoy_sluice_rq{tier="edge",route="shop"'
TRUE = f'sum(increase({MATCHED},code="503"}}[30m])) / sum(increase({MATCHED}}}[30m]))'


@dataclass(frozen=True)
class Trap:
    """Counters each 15 s for half an hour, and the share of bad events: None is what `increase` says."""

    counters: dict[str, str]
    share: float | None = None


TRAPS = {
    # 10 min at 100/s without a failure, then 20 min at 1/s with one in ten: an average of ratios says 6.7 %.
    "uneven traffic": Trap({GOOD: "0+1500x40 60013.5+13.5x79", BAD: "0x40 1.5+1.5x79"}),
    "idle minutes, whose ratio is NaN": Trap(
        {GOOD: "0+135x40 5400x20 5535+135x60", BAD: "0+15x40 600x20 615+15x60"}
    ),
    "no series of failures": Trap({GOOD: "0+150x120"}, share=0),
    "a proxy that starts again": Trap({GOOD: "0+135x60 0+135x60", BAD: "0+15x60 0+15x60"}),
    "two proxies, of which one starts again": Trap(
        {GOOD: "0+135x60 0+135x60", BAD: "0+15x120", OTHER: "0+150x120"}
    ),
    # A label's value that changes ends one series and begins another, which is born with its first events.
    "a label that changes": Trap(
        {f'{GOOD},arm="a"': "0+135x60", f'{GOOD},arm="b"': "_x61 135+135x59", BAD: "0+15x120"}, share=0.1
    ),
    "a rare failure, whose series is born with it": Trap(
        {GOOD: "0+15x120", BAD: "_x60 1x60"}, share=1 / 1800
    ),
    "few requests": Trap({GOOD: "0x20 1x40 2x20 3x40", BAD: "0x50 1x70"}, share=1 / 4),
}


@pytest.mark.real
@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
def test_the_recorded_share_of_failures_is_that_of_the_counters(trap: Trap, tmp_path: Path) -> None:
    counters = {f"envoy_sluice_rq{{{labels}}}": values for labels, values in trap.counters.items()}
    where = f'{{sli="route_availability",tier="edge",route="shop",window="{HALF_HOUR}"}}'
    recorded = f"sum(sluice:sli_bad:count{where}) / sum(sluice:sli_events:count{where})"
    true = f"({TRUE})" if trap.share is None else f"{trap.share}"

    near = f"abs({recorded} - {true}) <= bool 0.02 * {true}"
    said = promtool(tmp_path, UP | counters, [("30m", near, is_true())], declared=[ROUTE])

    assert said == ""


@pytest.mark.real
def test_a_young_history_is_its_share_and_says_how_much_of_the_window_it_is(tmp_path: Path) -> None:
    series = {
        'up{tier="edge",proxy="edge-1"}': "_x59 1x60",
        f"envoy_sluice_rq{{{GOOD}}}": "_x59 0+135x60",
        f"envoy_sluice_rq{{{BAD}}}": "_x59 0+15x60",
    }
    where = f'{{tier="edge",window="{HALF_HOUR}"}}'
    share = f"sum(sluice:sli_bad:count{where}) / sum(sluice:sli_events:count{where})"

    said = promtool(
        tmp_path,
        series,
        [
            ("30m", f"abs({share} - 0.1) < bool 0.002", is_true()),
            ("30m", f"abs(sum(sluice:coverage:ratio{where}) - 0.5) < bool 0.02", is_true()),
        ],
        declared=[ROUTE],
    )

    assert said == ""
