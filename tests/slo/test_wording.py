"""What a page says of a budget."""

from datetime import timedelta
from decimal import Decimal

import pytest

from slo.domain import wording
from slo.domain.objectives import of_tier
from tests.proxy.factories import tier


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("0.1234", "12.34 %"),
        ("0", "spent"),
        ("-0.2", "spent 1.2 times over"),
        ("-794.38", "spent 795 times over"),
        ("-9999", "spent 10,000 times over"),
    ],
)
def test_past_its_end_a_budget_is_spent_so_often(left: str, said: str) -> None:
    assert wording.remains(Decimal(left)) == said


@pytest.mark.parametrize(("spent", "said"), [("0.4", "40 %"), ("12.34", "12.3 times the budget")])
def test_more_than_a_budget_is_so_many(spent: str, said: str) -> None:
    assert wording.portion(Decimal(spent)) == said


def test_a_retry_budget_without_retries_says_why_there_is_nothing_to_count() -> None:
    (budget,) = [one for one in of_tier(tier()) if one.kind == "retry_budget"]

    said = wording.still(budget, timedelta(minutes=5))

    assert said == "no retries in 5m: nothing failed that is tried again, or no retries are configured"
