"""The pages of releases and hooks in a real browser: wide and narrow, light and dark, without a complaint."""

from typing import Any

import pytest

from canary.models import Rollout
from tests.canary.factories import ANN
from tests.canary.test_hooks import SECRET
from tests.canary.test_releases import PLAN, Fleet
from tests.pages.conftest import Desk

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def paths(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A release whose first rollout waits for what a hook says, and nobody answers."""
    monkeypatch.setenv("SLUICE_HOOK_SECRET_CI", SECRET)
    settings.HOOK_HOSTS = ["127.0.0.1"]
    fleet = Fleet()
    hook = {"name": "smoke", "url": "http://127.0.0.1:1/hook", "secret": "ci"}
    number = fleet.begin(plan={**PLAN, "hooks": [hook]})
    fleet.run(3)
    held = Rollout.objects.get()
    assert held.created_by == ANN.name
    return {
        "releases": "/releases/",
        "release": f"/releases/{number}/",
        "rollout-hooks": f"/rollouts/{held.pk}/",
    }


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_pages_of_releases_and_hooks_are_read_without_a_complaint(
    desk: Desk, paths: dict[str, str], width: int, dark: bool
) -> None:
    with desk.reader(width=width, dark=dark) as reader:
        for name, path in paths.items():
            page = reader.open(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert "waiting for what hook smoke says before 50 %" in page.content() or name == "releases"
            reader.picture(f"{name}-{width}")
        assert reader.complaints == []
