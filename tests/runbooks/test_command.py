"""`manage.py runbook`."""

import io

import pytest
from django.core.management import CommandError, call_command

from tests.runbooks.world import world

pytestmark = pytest.mark.django_db


def command(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("runbook", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_it_shows_what_holds_on_the_tier() -> None:
    world()
    assert command("retry-storm", "edge")[0] == "mode: approve"


def test_it_sets_mode_and_durations() -> None:
    world()
    lines = command("retry-storm", "edge", "--mode", "auto", "--set", "hold_for=5m", "retry_share=0.3")
    assert {"mode: auto", "hold_for: 300.0", "retry_share: 0.3"} <= set(lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope", "edge"),
        ("retry-storm", "nope"),
        ("retry-storm", "edge", "--set", "hold_for=soon"),
        ("retry-storm", "edge", "--set", "hold_for"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...]) -> None:
    world()
    with pytest.raises(CommandError) as caught:
        command(*arguments)
    assert caught.value.returncode == 2
