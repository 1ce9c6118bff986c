import pytest

from proxy.domain import budgets


def test_twenty_percent_more_load_is_a_sixth_of_all_that_is_in_flight() -> None:
    """Of 100 first attempts and 20 retries, 20 of 120 are retries."""
    assert budgets.of_all(20) == pytest.approx(100 * 20 / 120, abs=1e-6)


@pytest.mark.parametrize("percent", [0, 2, 20, 33.3, 100])
def test_the_share_leads_back_to_the_load(percent: float) -> None:
    assert budgets.of_firsts(budgets.of_all(percent)) == percent
