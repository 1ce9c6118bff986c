"""The indicators that a signal may name."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from runbooks.domain.indicators import INDICATORS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "signals.md"


def test_every_indicator_is_documented_and_every_documented_one_exists() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE.read_text(), re.M)
    documented = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}
    assert documented == set(INDICATORS)


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_asks_of_one_tier_alone(name: str) -> None:
    promql = INDICATORS[name]('e"dge', timedelta(seconds=10))
    found = re.findall(r"\w+\{[^}]*\}", promql)
    assert found
    assert all('tier="e\\"dge"' in each for each in found)
