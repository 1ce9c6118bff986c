"""What Prometheus runs against what it should run: how differences are told, and that none is overlooked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from slo.domain import drift, rules
from telemetry.domain.loaded import LoadedRule
from tests.slo.recorded import only

TEXT = rules.render([only("route_availability", "0.999")])
WANTED = drift.wanted(TEXT)
SCRAPED = WANTED[0]


def same(promql: str) -> str:
    return promql


def differences(loaded: Sequence[LoadedRule]) -> list[str]:
    return drift.differences(TEXT, loaded, same)


def test_what_is_published_is_no_drift() -> None:
    assert differences(WANTED) == []
    assert {rule.kind for rule in WANTED} == {"recording", "alerting"}


def test_other_groups_are_other_peoples() -> None:
    theirs = replace(SCRAPED, group="node-exporter", name="node:one", error="broken")

    assert differences([*WANTED, theirs]) == []
    assert drift.failing([theirs]) == []


@pytest.mark.parametrize("rule", WANTED)
def test_every_rule_is_missed(rule: LoadedRule) -> None:
    (said,) = differences([one for one in WANTED if one != rule])

    assert rule.name in said
    assert said.endswith("is missing")


def test_another_expression_a_label_and_a_rule_besides_are_told() -> None:
    edited = replace(SCRAPED, query="vector(0)")
    relabelled = replace(SCRAPED, labels={"by": "hand"})

    name = "sluice-events: sluice:scrape:timestamp"
    assert differences([edited, *WANTED[1:]]) == [f"{name} has another expression: vector(0)"]
    assert differences([relabelled, *WANTED[1:]]) == [
        f"{name} is missing",
        f'{name}{{by="hand"}} is there besides',
    ]


def test_a_rule_that_is_there_twice_is_one_besides() -> None:
    assert differences([*WANTED, SCRAPED]) == ["sluice-events: sluice:scrape:timestamp is there besides"]


def test_a_group_that_is_evaluated_at_another_pace_is_told() -> None:
    slow = [
        replace(rule, every=timedelta(minutes=5)) if rule.group == "sluice-events" else rule
        for rule in WANTED
    ]

    assert differences(slow) == ["sluice-events is evaluated each 0:05:00, and should be each 0:00:30"]


def test_an_expression_is_the_same_in_another_spelling() -> None:
    spaced = [replace(rule, query=rule.query.replace(" ", "  ")) for rule in WANTED]

    assert drift.differences(TEXT, spaced, lambda promql: " ".join(promql.split())) == []


def test_a_rule_that_fails_says_why() -> None:
    failing = replace(SCRAPED, error="many-to-many matching not allowed")

    assert drift.failing([failing]) == [
        "sluice-events: sluice:scrape:timestamp fails: many-to-many matching not allowed"
    ]
