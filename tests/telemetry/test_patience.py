"""Asking for a page: what was asked just now is not asked again."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from telemetry.patience import remembered


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def test_what_was_asked_just_now_is_not_asked_again() -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("once")
        return "answer"

    assert remembered("a-key", ask) == remembered("a-key", ask) == "answer"
    assert asked == ["once"]
