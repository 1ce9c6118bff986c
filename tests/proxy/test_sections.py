"""What stands beside the tiers of a declaration: checked, planned, taken in with them, and exported."""

import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.utils import timezone

from audit.domain.actor import Actor
from proxy import selectors, services
from proxy.domain.errors import Invalid
from proxy.domain.tier import Tier
from proxy.meanings import Said
from proxy.sections import Section
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db
BY = Actor("ann", "cli")
kept: dict[str, Any] = {}


def check(given: Any, tiers: Mapping[str, Tier], now: datetime) -> Said:
    """Notes may name tiers of the same document only."""
    names = {tier.name: path for path, tier in tiers.items()}
    wrong = [(f"notes.{name}", "there is no such tier") for name in given or {} if name not in names]
    return Said(tuple(wrong), ("a note",) if given else ())


def declare(given: Any, by: Actor, reason: str, now: datetime) -> tuple[str, ...]:
    if "late" in str(given):
        raise Invalid([("notes", "somebody was first")])
    said = changes(given)
    kept.update(given)
    return said


def changes(given: Any) -> tuple[str, ...]:
    return tuple(f"+ note {name}" for name in given if name not in kept)


NOTES = Section("notes", check=check, changes=changes, declare=declare, export=lambda: dict(kept) or None)


@pytest.fixture(autouse=True)
def _notes(settings: Any) -> None:
    kept.clear()
    settings.DECLARATION_SECTIONS = ["tests.proxy.test_sections.NOTES"]


def apply(**more: Any) -> services.Applied:
    return services.apply(document={**document(), **more}, by=BY, reason="", now=timezone.now())


def run(*argv: str) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_section_is_taken_in_with_the_tiers_and_its_words_are_passed_on() -> None:
    done = apply(notes={"edge": "hello"})
    assert kept == {"edge": "hello"}
    assert done.changes[-1] == "+ note edge"
    assert done.warnings[-1] == "a note"


def test_a_document_may_hold_a_section_alone() -> None:
    apply()
    done = services.apply(document={"notes": {}}, by=BY, reason="", now=timezone.now())
    assert (done.revision, done.changes) == (None, ())


def test_a_key_that_is_no_section_is_refused_still() -> None:
    with pytest.raises(Invalid) as caught:
        apply(remarks={})
    assert caught.value.errors == [("remarks", "unknown key")]


def test_what_a_section_refuses_keeps_the_tiers_out_too() -> None:
    with pytest.raises(Invalid) as caught:
        apply(notes={"other": "hello"})
    assert caught.value.errors == [("notes.other", "there is no such tier")]
    assert selectors.tiers() == []


def test_what_fails_late_takes_the_tiers_back() -> None:
    with pytest.raises(Invalid):
        apply(notes={"edge": "late"})
    assert selectors.tiers() == []


def test_an_export_is_applied_without_a_difference_and_its_words_stay_as_written(tmp_path: Path) -> None:
    apply(notes={"edge": "say ${HOME} and $tier\nover\ntwo lines\n"})
    text = run("export")
    file = tmp_path / "all.yaml"
    file.write_text(text)
    assert yaml.safe_load(text)["notes"] == kept
    assert "  edge: |\n" in text
    assert run("apply", "--plan", str(file)) == "no difference\n"
    assert "notes" not in yaml.safe_load(run("export", "edge"))
