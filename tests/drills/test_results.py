"""What a drill found, as a table, as data and as a verdict."""

from datetime import UTC, datetime, timedelta

from runbooks.domain.answering import Moment, answered, lines, silent, stages
from runbooks.domain.drills import Check, Column, Defence, Measured, Plot, Row, table
from runbooks.drills.catalogue import DRILLS
from runbooks.drills.running import judged

ROWS = (Row("amplification", "amplification", "x", "out / in", 1), Row("asked", "asked", "", "sent"))
ONSET = datetime(2026, 3, 1, tzinfo=UTC)


def defence(*checks: Check, without: Measured, with_it: Measured) -> Defence:
    columns = (Column("without", "no budget", without), Column("with", "a budget", with_it))
    return Defence(ROWS, (Plot("rate", "Rate", "/s"),), columns, checks)


def at(seconds: float) -> datetime:
    return ONSET + timedelta(seconds=seconds)


def test_the_table_has_a_column_a_side_and_says_no_data_where_nothing_was_measured() -> None:
    found = defence(
        without=Measured({"amplification": 27.0, "asked": 1200.0}), with_it=Measured({"asked": 1200.0})
    )
    head, first, second = table(found).splitlines()
    assert head.split() == ["without", "with"]
    assert first.split() == ["amplification,", "x", "27.0", "no", "data"]
    assert second.split() == ["asked", "1,200", "1,200"]


def test_a_defence_held_when_all_checks_did_and_never_without_one() -> None:
    sides = {"without": Measured({}), "with_it": Measured({})}
    assert defence(Check("a", True), Check("b", True), **sides).held
    assert not defence(Check("a", True), Check("b", False), **sides).held
    assert not defence(**sides).held


def test_a_figure_that_is_missing_lets_no_defence_hold() -> None:
    for drill in DRILLS.values():
        (check,) = judged(drill, [Measured({})] * len(drill.sides))
        assert not check.held
        assert "no data" in check.says


def test_every_drill_compares_one_side_without_its_defence_with_others() -> None:
    for name, drill in DRILLS.items():
        assert drill.name == name
        assert len(drill.sides) >= 2
        assert drill.rows


def test_the_stages_of_a_run_are_told_in_seconds_since_the_onset() -> None:
    moments = [
        Moment("CONFIRMING", at(5)),
        Moment("MITIGATING", at(8)),
        Moment("VERIFYING", at(9)),
        Moment("HOLDING", at(20)),
        Moment("REVERTING", at(30)),
        Moment("SUCCEEDED", at(32)),
    ]
    found = stages(moments, onset=ONSET, started_at=at(5), applied_at=at(9), healed_at=at(21))
    assert found == {
        "fired": 5,
        "confirmed": 8,
        "acked": 9,
        "verified": 20,
        "healed": 21,
        "reverted": 32,
    }
    whole = answered(runbook="r", says="s", run_id=7, state="SUCCEEDED", why="calm", seconds=found)
    assert whole.held == "yes"
    assert lines(whole)[0] == "   5.0 s  a run was proposed"


def test_a_run_that_never_acted_did_not_hold_and_says_what_is_missing() -> None:
    found = stages([], onset=ONSET, started_at=at(5), applied_at=None, healed_at=None)
    short = answered(runbook="r", says="s", run_id=7, state="SUPPRESSED", why="cooldown", seconds=found)
    assert short.held == "no"
    assert short.why == (
        "run 7 is suppressed (cooldown); it never came so far that the symptom was confirmed and the remedy"
        " decided"
    )
    assert silent(runbook="r", says="s", why="no runbook r is in the library").held == "no"
