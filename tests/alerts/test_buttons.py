"""Buttons as Slack takes them: whatever they say, they keep its limits."""

from datetime import UTC, datetime

import pytest
from slack_sdk.models.blocks import ActionsBlock, Block

from alerts.domain import buttons
from alerts.domain.buttons import Button

LONG = "a very long word " * 40
SAID = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("words", ["Approve", LONG])
@pytest.mark.parametrize("asks", ["", "Run 5 acts.", LONG])
def test_slacks_own_model_takes_every_button(words: str, asks: str) -> None:
    made = buttons.element(Button("run.approve", 5, words, "plan", "primary", asks, SAID), "nonce")

    block = Block.parse(buttons.block([made]))

    assert isinstance(block, ActionsBlock)
    assert block.to_dict()["elements"] == [made]


def test_a_button_without_a_question_or_a_style_says_neither() -> None:
    assert set(buttons.element(Button("run.deny", 5, "Deny"), "n")) == {"type", "action_id", "text", "value"}


def test_what_is_said_in_their_place_keeps_its_limit() -> None:
    shown = [{"type": "section"}, buttons.block([])]
    (_, said) = buttons.without(shown, LONG * 10)
    assert len(said["elements"][0]["text"]) == buttons.SAID_LIMIT
    assert not buttons.has(buttons.without(shown, "over"))


def test_what_is_noted_stands_before_the_buttons() -> None:
    shown = [{"type": "section"}, buttons.block([]), {"type": "context"}]
    assert [block["type"] for block in buttons.noted(shown, "one of two")] == [
        "section",
        "context",
        "actions",
        "context",
    ]
