"""Rows from before runbooks were data are carried over."""

import importlib
import json
from datetime import UTC, datetime
from typing import Any

from runbooks.domain.definition import definition_from
from runbooks.domain.judging import judge_from
from runbooks.domain.measures import measure_from
from runbooks.domain.signals import complete

migration = importlib.import_module("runbooks.migrations.0003_any_target_by_definition")
OLD: dict[str, Any] = {
    "at": datetime(2026, 3, 1, tzinfo=UTC).isoformat(),
    "first": 100.0,
    "retries": 60.0,
    "wasted": 45.0,
    "failed": 40.0,
    "exhausted": 2.0,
    "busiest": "shop-v1",
    "why_no_data": "",
}
POLICY = {"lookback": 30.0, "retry_share": 0.3, "budget_percent": 2.0, "remedy": "retry_off"}


def test_an_old_measure_says_the_same_in_the_words_of_a_definition() -> None:
    found = measure_from(migration.measured(OLD))
    known = {name: OLD[name] for name in ("first", "retries", "wasted", "failed", "exhausted")}
    assert found.values == complete(definition_from(migration.RETRY_STORM).signals, known)
    assert found.heaviest("retries") == "shop-v1"


def test_a_measure_that_is_new_already_stays_as_it_is() -> None:
    assert migration.measured(migration.measured(OLD)) == migration.measured(OLD)


def test_what_was_not_measured_stays_no_data() -> None:
    nothing = dict.fromkeys(OLD) | {"at": OLD["at"], "why_no_data": "no data: down"}
    found = measure_from(migration.measured(nothing))
    assert (found.value("share"), found.why_no_data) == (None, "no data: down")


def test_a_run_that_began_before_goes_on_by_the_definition_that_it_is_given() -> None:
    judge = judge_from(json.dumps(migration.RETRY_STORM), POLICY)
    assert judge.policy.thresholds["retry_share"] == 0.3
    assert judge.detect(measure_from(migration.measured(OLD))) == "present"
