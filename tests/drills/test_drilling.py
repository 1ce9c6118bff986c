"""One drill at a time; what it set for a runbook is as before when it ends, however it ends."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from runbooks import drilled, services
from runbooks.models import Setting
from runbooks.services import drilling
from tests.drills.world import ANN, NOW, declare

pytestmark = pytest.mark.django_db


ABOUT: dict[str, Any] = {"runbook": "retry-storm", "tier": "edge", "by": ANN, "now": NOW}
FOUND = {"report": 1, "drill": "retry-storm"}


def begun(now: datetime = NOW) -> int:
    return drilling.begin(name="retry-storm", runbook="retry-storm", by=ANN, now=now)


def settings() -> list[Any]:
    return list(Setting.objects.order_by("pk").values("runbook", "tier", "mode", "policy", "by"))


def ended(report: int) -> None:
    drilling.end(report, found=FOUND, defence_held=True, runbook_held="yes", by=ANN, now=NOW)


def test_no_second_drill_begins_while_one_is_under_way() -> None:
    first = begun()
    with pytest.raises(drilling.UnderWay):
        begun(NOW + timedelta(seconds=30))
    ended(first)
    assert begun() != first


def test_one_that_died_is_closed_and_lets_the_next_begin() -> None:
    first = begun()
    later = NOW + timedelta(minutes=2)
    assert drilled.under_way(now=NOW) is not None
    assert drilled.under_way(now=later) is None
    begun(later)
    row = drilled.report(first, now=later)
    assert row is not None
    assert (row.under_way, row.held, row.trouble) == (
        False,
        False,
        "it was not heard of any more: its process died",
    )


def test_one_that_says_it_lives_is_not_taken_for_dead() -> None:
    first = begun()
    drilling.go_on(first, doing="side 2 of 2", now=NOW + timedelta(seconds=90))
    row = drilled.under_way(now=NOW + timedelta(minutes=2))
    assert row is not None
    assert row.doing == "side 2 of 2"


def test_a_runbook_without_settings_has_none_again_after_the_drill() -> None:
    declare()
    report = begun()
    drilling.let_act(report, policy={"lookback": "10s"}, **ABOUT)
    assert [(row["mode"], row["policy"]) for row in settings()] == [("auto", {"lookback": "10s"})]
    ended(report)
    assert settings() == []


@pytest.mark.parametrize("how", ["ended", "broken off", "died"])
def test_what_a_person_had_set_is_as_before_however_the_drill_ends(how: str) -> None:
    declare()
    services.set_mode(mode="observe", reason="ours", **ABOUT)
    services.set_policy(policy={"hold_for": "5m"}, reason="ours", **ABOUT)
    before = settings()
    report = begun()
    drilling.let_act(report, policy={"lookback": "10s"}, **ABOUT)
    assert settings() != before
    ways = {
        "ended": lambda: ended(report),
        "broken off": lambda: drilling.break_off(report, trouble="interrupted", by=ANN, now=NOW),
        "died": lambda: drilling.close_lost(now=NOW + timedelta(minutes=2)),
    }
    ways[how]()
    assert settings() == before


def test_an_end_that_comes_twice_changes_nothing() -> None:
    report = begun()
    ended(report)
    drilling.break_off(report, trouble="interrupted", by=ANN, now=NOW)
    row = drilled.report(report, now=NOW)
    assert row is not None
    assert (row.held, row.trouble) == (True, "")
