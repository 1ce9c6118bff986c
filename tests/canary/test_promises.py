"""The figures that the judge was designed for, by a small simulation; `simulate.py` measures them in full."""

import pytest

from canary.domain.judge import Limits
from tests.canary.simulate import DESIGNED, STABLE, seconds_to_fail, share_decided


@pytest.mark.parametrize("cell", [(0.01, 0.05), (0.01, 0.10), (0.05, 0.01)])
def test_the_median_time_to_fail_is_as_designed(cell: tuple[float, float]) -> None:
    median, _ = seconds_to_fail(*cell, runs=100, limits=Limits(alpha=0.01 / 5))
    assert median == pytest.approx(DESIGNED[cell][2], rel=0.2, abs=1)


def test_a_healthy_canary_is_seldom_failed() -> None:
    # At most 1 % are; 3 of 40 would be a one in a thousand chance.
    assert share_decided("fail", rate=STABLE, share=0.05, seconds=300, runs=40) <= 2 / 40


def test_a_canary_at_the_limit_is_seldom_passed() -> None:
    # At most 5 % are; 8 of 40 would be a one in a thousand chance.
    assert share_decided("pass", rate=3 * STABLE, share=0.05, seconds=300, runs=40) <= 7 / 40
