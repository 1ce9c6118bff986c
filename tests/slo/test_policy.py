"""What a tier's budget policy demands."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from proxy.domain.tier import BudgetPolicy
from slo.domain.policy import Demanded, Standing, demanded


def standing(left: str, coverage: str = "1", name: str = "shop") -> Standing:
    return Standing(name, Decimal(left), Decimal(coverage))


@pytest.mark.parametrize(
    ("left", "demand"),
    [
        ("0.51", "nothing"),
        ("0.5", "tell"),
        ("0.26", "tell"),
        ("0.25", "approve"),
        ("0", "freeze"),
        ("-3", "freeze"),
    ],
)
def test_the_less_is_left_the_more_is_demanded(left: str, demand: str) -> None:
    assert demanded(BudgetPolicy(), [standing(left)]).demand == demand


def test_the_objective_with_least_left_is_named_with_the_figures() -> None:
    found = demanded(BudgetPolicy(), [standing("0.9"), standing("0.2", name="payments")])
    assert found == Demanded(
        "approve",
        "payments",
        "20 % of the error budget of payments is left, and the tier's policy acts at 25 %",
    )


def test_what_was_not_measured_counts_as_good() -> None:
    """An hour of outage in an hour-old tier at 99.5 %: 200 times the hour's budget, 28 % of the month's."""
    hour = Decimal(1) / (30 * 24)
    assert demanded(BudgetPolicy(), [standing("-199", str(hour))]).demand == "nothing"
    assert demanded(BudgetPolicy(), [standing("-199", str(2 * hour))]).demand == "tell"


def test_a_part_of_the_policy_can_be_switched_off() -> None:
    lenient = BudgetPolicy(tell=10, approve=None, freeze=None)
    assert demanded(lenient, [standing("0.2")]).demand == "nothing"
    assert demanded(lenient, [standing("-1")]).demand == "tell"


def test_no_budget_demands_nothing() -> None:
    assert demanded(BudgetPolicy(), []) == Demanded()


def test_a_policy_that_eases_as_the_budget_goes_is_refused() -> None:
    with pytest.raises(ValidationError, match="the less is left the stricter"):
        BudgetPolicy(approve=25, freeze=40)
