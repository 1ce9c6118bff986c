"""The table of what buttons do: whole, and nothing in it that a page cannot do."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import resolve

from alerts import actions

ROOT = Path(__file__).resolve().parents[2]
# The page's own way of each.
PAGES = {
    "incident.acknowledge": "/incidents/1/acknowledge/",
    "incident.silence": "/incidents/1/silence/",
    "rollout.approve": "/rollouts/1/approve/",
    "rollout.roll_back": "/rollouts/1/roll_back/",
    "run.approve": "/runs/1/approve/",
    "run.deny": "/runs/1/deny/",
    "run.cancel": "/runs/1/cancel/",
    "run.yes": "/runs/1/answer/",
    "run.no": "/runs/1/answer/",
}


def test_a_page_can_do_all_that_a_button_can() -> None:
    assert set(actions.known()) == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_button_takes_the_role_that_its_page_takes(name: str) -> None:
    view = resolve(PAGES[name]).func
    assert view.needed_role == actions.known()[name].role  # type: ignore[attr-defined]  # set by `requires`


def test_every_action_is_documented() -> None:
    text = (ROOT / "docs/slack.md").read_text()
    assert [name for name in actions.known() if f"`{name}`" not in text] == []


def test_two_apps_never_use_one_name(settings: Any) -> None:
    settings.MESSAGE_ACTIONS = [*settings.MESSAGE_ACTIONS, settings.MESSAGE_ACTIONS[0]]
    with pytest.raises(ValueError, match=r"incident\.acknowledge"):
        actions.known.__wrapped__()


def test_every_table_is_of_an_app_of_its_own() -> None:
    apps = [path.partition(".")[0] for path in settings.MESSAGE_ACTIONS]
    assert len(set(apps)) == len(apps)
