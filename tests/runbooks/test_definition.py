"""The machine's part of a runbook: what is refused, and that it survives a run."""

import json
from typing import Any

import pytest

from runbooks import texts
from runbooks.domain.definition import BadDefinition, Definition, as_text, definition_from
from runbooks.domain.steps import UnknownPlaceholder, fill, placeholders
from tests.runbooks.declared import declared, definition

OVERLAY = {"do": "overlay", "patch": {"kind": "retry_off", "route": "$route"}}
AUTOMATED = [text.definition for text in texts.built_in().values() if text.definition is not None]
SAYS = declared()["says"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"symptom": {"signal": "fast", "above": 1}}, r"symptom\.signal: there is no signal fast"),
        ({"symptom": {"signal": "slow", "above": "fast"}}, r"symptom\.above: there is no threshold fast"),
        ({"unless": [{"when": {"signal": "fast", "above": 1}, "because": ""}]}, r"unless\[0\].when"),
        ({"thresholds": {"flaps": 1.0}}, "thresholds.flaps: every runbook has a setting of this name"),
        ({"remedy": "pray"}, "remedy: is one of tight"),
        ({"remedies": {"tight": {"did": "x", "steps": [OVERLAY]}}}, r"\$route stands for nothing"),
        ({"says": SAYS | {"calm": "{fast}"}}, r"says.calm: \{fast\} stands for nothing"),
        ({"says": SAYS | {"calm": "{name.rate}"}}, r"says.calm: \{name.rate\} stands for nothing"),
        ({"shows": ["fast"]}, r"shows\[0\]: there is no signal fast"),
        ({"culprit": "rate"}, "culprit: signal rate has no `names`"),
        ({"scope": "planet"}, "scope"),
        ({"sumptom": {}}, "sumptom: Extra inputs"),
        ({"signals": {}}, "signals"),
    ],
)
def test_what_stands_for_nothing_is_refused_with_its_place(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadDefinition, match=why):
        definition(**changes)


def test_a_signal_is_made_only_of_those_before_it() -> None:
    signals = declared()["signals"] | {
        "a": {"ratio": "b", "over": "rate"},
        "b": {"ratio": "slow", "over": "rate"},
    }
    with pytest.raises(BadDefinition, match=r"signals\.a: is made of b, which no signal before it is"):
        definition(signals=signals)


@pytest.mark.parametrize("made", [definition(), *AUTOMATED])
def test_a_definition_survives_the_snapshot_of_a_run(made: Definition) -> None:
    kept = definition_from(json.loads(as_text(made)))
    assert kept == made
    assert list(kept.signals) == list(made.signals)


def test_a_placeholder_is_replaced_at_any_depth_and_keeps_its_type() -> None:
    value = {"a": ["$x", {"b": "$names.y"}], "c": "plain"}
    assert placeholders(value) == {"x", "names.y"}
    assert fill(value, {"x": 2.0, "names.y": ["p", "q"]}) == {"a": [2.0, {"b": ["p", "q"]}], "c": "plain"}


def test_a_placeholder_that_stands_for_nothing_is_not_guessed() -> None:
    with pytest.raises(UnknownPlaceholder, match=r"\$x stands for nothing here"):
        fill("$x", {})
