"""The recipe "How to add a step kind" of docs/runbooks.md holds."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runbooks import services
from runbooks.domain import kinds
from runbooks.domain.steps import KINDS, AnyStep
from runbooks.models import Act, Run
from runbooks.services import steps
from runbooks.services.calling import CALLED
from runbooks.services.looking import Look
from runbooks.services.steps.contract import Came, Case, Nature, Planned
from runbooks.services.steps.outside import Outside
from tests.runbooks.stepping import RETRY_OFF, alone, stepping
from tests.runbooks.world import ANN

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("word", KINDS)
def test_every_kind_has_all_that_the_recipe_lists(word: str) -> None:
    model = KINDS[word]
    assert model.__module__ == kinds.__name__
    assert model in AnyStep.__args__
    registered = {**steps.OVERLAYING, **steps.KINDS}[word]
    assert type(registered).__module__ == importlib.import_module(f"runbooks.services.steps.{word}").__name__
    table = (ROOT / "docs/runbooks.md").read_text().partition("## Steps")[2].partition("### ")[0]
    assert re.search(rf"^\| `{word}` \|", table, re.MULTILINE)
    assert f'"do": "{word}"' in "".join(path.read_text() for path in (ROOT / "tests/runbooks").glob("*.py"))


def test_no_kind_is_registered_that_cannot_be_declared() -> None:
    assert set(KINDS) == {*steps.OVERLAYING, *steps.KINDS}
    assert set(CALLED) == {word for word, kind in steps.KINDS.items() if isinstance(kind, Outside)}


class Note:
    """A kind that the recipe's third step describes: it keeps a note, and takes it away again."""

    nature: Nature = "declarative"
    kept: list[str] = []

    def plan(self, step: Mapping[str, Any], case: Case) -> Planned:
        text = f"{step['text']} on {case.subject}"
        return Planned({"text": text}, words=f"note: {text}", undo="take the note away")

    def do(self, act: Act, run: Run, look: Look) -> Came | None:
        self.kept.append(act.said["text"])
        return Came("done", "noted")

    def undo(self, act: Act, run: Run, look: Look) -> Came | None:
        self.kept.remove(act.said["text"])
        return Came("done", "gone")


@pytest.mark.django_db
def test_a_new_kind_is_planned_done_and_taken_back_by_its_class_and_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(steps.KINDS, "note", Note())
    monkeypatch.setattr(
        "runbooks.services.planning.spread", lambda *given: iter([{"do": "note", "text": "storm"}])
    )
    with alone():
        w = stepping(RETRY_OFF)
        w.storm()
        run = w.until("VERIFYING")
        assert run.plan is not None
        assert (run.plan.summary, run.plan.undo) == ("note: storm on shop", "take the note away")
        assert Note.kept == ["storm on shop"]
        services.cancel(run_id=run.id, by=ANN, reason="stop", now=w.now)
        w.until("CANCELLED")
    assert Note.kept == []
    assert w.acts() == [("note", "do", "done"), ("note", "undo", "done")]
