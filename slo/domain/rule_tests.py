"""What `promtool test rules` proves of an objective's alert rules: made from the objective, for each tier.

A burn that begins after a calm long window fires at the computed time to detect and not an evaluation
before; a steady burn fires just above the factor and is silent just below. What the alerts are computed from
is given: a second's events each 30 s, and a full coverage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import yaml

from slo.domain import rules
from slo.domain.alert_rules import COVERAGE, SCRAPED, name
from slo.domain.burn import threshold
from slo.domain.indicators import BAD, EVENTS, indicator
from slo.domain.objectives import Objective
from slo.domain.windows import (
    PAGE_FAST,
    PAGE_SLOW,
    TICKET_FAST,
    TICKET_SLOW,
    TIERS,
    AlertTier,
    seconds,
)
from telemetry.domain.promql import duration, selector

EVERY = {
    PAGE_FAST: rules.BASE,
    PAGE_SLOW: rules.MIDDLE_EVERY,
    TICKET_FAST: rules.BLOCK,
    TICKET_SLOW: rules.BLOCK,
}
"""How often each tier's group is evaluated; promtool has one interval for all groups of a file."""
# Busy enough for any target: the guard against low traffic has tests of its own.
EVENTS_A_SECOND = 1_000_000
JUST = Decimal("0.01")
# A tenth of the long window, which the short one is a twelfth of: it is the long one that decides.
DETECTED_IN = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Case:
    """Bad shares of the events, each for a time, and whether the tier fires at these times."""

    name: str
    shares: Sequence[tuple[Decimal, timedelta]]
    fires: Sequence[tuple[timedelta, bool]]


@dataclass(frozen=True, slots=True)
class Files:
    """A rule file and a test file that names it, for `promtool test rules`."""

    rules_name: str
    rules: str
    tests_name: str
    tests: str


def files(objective: Objective) -> list[Files]:
    """The files of every tier that tells of the objective and that its target lets fire at all."""
    tiers = [tier for tier in TIERS if objective.severity == "page" or tier.severity == "ticket"]
    return [_files(objective, tier) for tier in tiers if cases(objective, tier)]


def cases(objective: Objective, tier: AlertTier) -> list[Case]:
    """What is to be seen of one tier; nothing where even an outage burns no faster than its factor."""
    bound = threshold(tier.factor(objective.period), objective.target)
    above, below = bound * (1 + JUST), bound * (1 - JUST)
    if above >= 1:
        return []
    step = EVERY[tier]
    detected = detection(objective, tier)
    # A window that is full fires when its bad part is as large as at a steady burn of the factor.
    share = bound * seconds(tier.long) / seconds(detected)
    before = tier.long + detected // step * step
    # A burn that is the same all the time is the same in each part of a window.
    steady = 2 * tier.short
    return [
        Case(
            f"{tier.name} fires {detected} after a burn of {share / objective.allowed:.1f}x began",
            [(Decimal(0), tier.long), (share, detected + step)],
            [(tier.long, False), (before, False), (before + step, True)],
        ),
        Case(f"{tier.name} fires just above its factor", [(above, steady)], [(steady, True)]),
        Case(f"{tier.name} is silent just below its factor", [(below, steady)], [(steady, False)]),
    ]


def detection(objective: Objective, tier: AlertTier) -> timedelta:
    """A time to detect that lies between two evaluations, and that an outage at most can cause."""
    step = seconds(EVERY[tier])
    bound = threshold(tier.factor(objective.period), objective.target)
    least = (bound * seconds(tier.long) / step).to_integral_value(ROUND_CEILING)
    steps = max(least, (DETECTED_IN * seconds(tier.long) / step).to_integral_value())
    return timedelta(seconds=float(step * (steps + Decimal("0.5"))))


def _files(objective: Objective, tier: AlertTier) -> Files:
    rules_name, tests_name = f"{tier.name}.rules.yml", f"{tier.name}.test.yml"
    document = {
        "rule_files": [rules_name],
        "evaluation_interval": duration(EVERY[tier]),
        "group_eval_order": ["sluice-events", "sluice-births", "sluice-hours", "sluice-days"],
        "tests": [_test(objective, tier, case) for case in cases(objective, tier)],
    }
    text = yaml.safe_dump(document, sort_keys=False, width=100_000)
    return Files(rules_name, _rules(objective, tier), tests_name, text)


def _rules(objective: Objective, tier: AlertTier) -> str:
    """The rules that this tier's alert is computed by, as they are published."""
    document = yaml.safe_load(rules.render([objective]))
    windows = {duration(tier.long), duration(tier.short), None}
    for group in document["groups"]:
        group["rules"] = [
            rule
            for rule in group["rules"]
            if rule.get("alert", name(tier)) == name(tier)
            and not rule.get("record", "").endswith(":rate1m")
            and rule.get("record") not in (COVERAGE, SCRAPED)
            and rule.get("labels", {}).get("window") in windows
        ]
    document["groups"] = [group for group in document["groups"] if group["rules"]]
    return yaml.safe_dump(document, sort_keys=False, width=100_000)


def _test(objective: Objective, tier: AlertTier, case: Case) -> dict[str, Any]:
    return {
        "name": case.name,
        "interval": duration(rules.BASE),
        "input_series": [
            {"series": series, "values": values} for series, values in _series(objective, tier, case)
        ],
        "promql_expr_test": [
            {
                "expr": _firing(objective, tier) if fires else _any(tier),
                "eval_time": duration(at),
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
            for at, fires in case.fires
        ],
    }


def _any(tier: AlertTier) -> str:
    return selector("ALERTS", alertname=name(tier), alertstate="firing")


def _firing(objective: Objective, tier: AlertTier) -> str:
    """1 while the tier fires of this objective and of nothing else."""
    labels = {
        "sli": indicator(objective).sli,
        **_where(objective),
        "target": f"{objective.target.normalize():f}",
        "period": duration(objective.period),
        "severity": tier.severity,
    }
    mine = selector("ALERTS", alertname=name(tier), alertstate="firing", **labels)
    return f"count({_any(tier)}) == count({mine})"


def _where(objective: Objective) -> dict[str, str]:
    of = {label: getattr(objective, label) for label in ("tier", "route", "upstream")}
    return {label: value for label, value in of.items() if value}


def _series(objective: Objective, tier: AlertTier, case: Case) -> Iterator[tuple[str, str]]:
    labels = {**indicator(objective).recorded, **_where(objective)}
    samples = [(share, span // rules.BASE) for share, span in case.shares]
    # The sample at 0 s stands for the time before: nothing happened then.
    total = sum(count for _, count in samples)
    yield selector(f"{EVENTS}:rate1m", **labels), f"0 {EVENTS_A_SECOND}x{total - 1}"
    made = next(iter(indicator(objective).bad))
    bad = " ".join(f"{float(share * EVENTS_A_SECOND)!r}x{count - 1}" for share, count in samples)
    yield selector(f"{BAD}:rate1m", **labels, originator=made), f"0 {bad}"
    covered = selector(COVERAGE, tier=objective.tier, window=duration(tier.long))
    yield covered, f"1x{total}"
