"""The library."""

import re
from pathlib import Path

import pytest

from runbooks import texts
from runbooks.domain.policy import SETTINGS

FRONT = "---\ntitle: T\nsummary: S\nseverity: page\nowner: O\n---\n"


@pytest.mark.parametrize("slug", texts.built_in())
def test_every_text_answers_the_questions_of_3_am(slug: str) -> None:
    html = texts.text(slug).html
    for heading in ("What it means", "Is it us or a backend?", "Look at", "Do", "Undo"):
        assert f"<h2>{heading}</h2>" in html


def test_a_text_is_rendered_without_anything_that_runs() -> None:
    html = texts.read("x", f"{FRONT}hello <script>alert(1)</script> [x](javascript:alert(1))").html
    assert "script" not in html
    assert "hello" in html


@pytest.mark.parametrize("raw", ["no front matter", "---\ntitle: T\n", "x---\ntitle: T\n---\n"])
def test_a_text_without_front_matter_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="front matter"):
        texts.read("x", raw)


@pytest.mark.django_db
def test_an_unknown_runbook_is_said_to_be_unknown() -> None:
    with pytest.raises(texts.UnknownRunbook, match="no runbook nope"):
        texts.text("nope")


def test_every_setting_of_a_policy_is_documented() -> None:
    page = (Path(texts.__file__).parent.parent / "docs/runbooks.md").read_text()
    settings, _, thresholds = (
        page.partition("## Policy")[2].partition("## Guards")[0].partition("Beside these")
    )
    assert sorted(_named(settings)) == sorted(SETTINGS)
    assert set(_named(thresholds)) >= set(texts.built_in()["retry-storm"].policy.thresholds)


def _named(text: str) -> list[str]:
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return re.findall(r"`(\w+)`", "".join(rows))
