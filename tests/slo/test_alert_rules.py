"""The alert rules of the published file: they say what the service says, on the real `promtool`."""

import os
import random
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from slo.domain import alert_rules, rule_tests, rules
from slo.domain.alerting import judge
from slo.domain.burn import Counts
from slo.domain.objectives import Objective
from slo.domain.windows import PAGE_FAST, TIERS, AlertTier
from telemetry.domain.promql import duration
from tests.slo.recorded import only
from tests.support.processes import wait_until
from tests.support.prometheus import History, prometheus

TARGET = Decimal("0.999")
SHOP = only("route_availability", "0.999")
LABELS = 'sli="route_availability",place="route",tier="edge"'


def days(count: int) -> timedelta:
    return timedelta(days=count)


def promtool(*tests: Path) -> str:
    argv = ["promtool", "test", "rules", *map(str, tests)]
    # Collecting garbage seldom is a third faster.
    environment = {**os.environ, "GOGC": "400"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False, env=environment)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def burns(document: str) -> list[dict[str, Any]]:
    rules = [rule for group in yaml.safe_load(document)["groups"] for rule in group["rules"]]
    return [rule for rule in rules if "alert" in rule and rule["labels"]["sluice"] == "burn"]


@pytest.mark.parametrize(
    ("period", "factors"),
    [
        (7, ["3.36", "1.4", "0.7", "0.23333333333333334"]),
        (28, ["13.44", "5.6", "2.8", "0.9333333333333333"]),
        (30, ["14.4", "6", "3", "1"]),
        (90, ["43.2", "18", "9", "3"]),
    ],
)
def test_each_period_keeps_the_shares_of_the_workbook(period: int, factors: list[str]) -> None:
    for tier, factor in zip(TIERS, factors, strict=True):
        assert f"{float(tier.factor(days(period)))!r}".removesuffix(".0") == factor
        # Both windows are compared with it, and the guard counts by it.
        written = alert_rules.burning(tier, days(period))
        assert (written.count(f" > {factor})"), written.count(f"({factor} * ")) == (2, 1)

    assert [tier.share for tier in TIERS] == [Decimal(share) for share in ("0.02", "0.05", "0.1", "0.1")]


def test_a_period_has_four_alerts_whatever_the_number_of_objectives() -> None:
    many = [replace(SHOP, name=f"o{n}", route=f"r{n}") for n in range(1000)]

    assert [rule["alert"] for rule in burns(rules.render(many))] == [
        "SluicePageFast",
        "SluicePageSlow",
        "SluiceTicketFast",
        "SluiceTicketSlow",
    ]
    assert len(burns(rules.render([*many, replace(SHOP, period=days(28))]))) == 8


def test_an_edit_of_owner_or_runbook_changes_nothing_that_an_alert_is_known_by() -> None:
    edited = replace(SHOP, owner="payments", runbook="other", description="new words")

    assert rules.render([edited]) == rules.render([SHOP])


def test_another_address_of_sluice_changes_annotations_alone() -> None:
    here, there = (burns(rules.render([SHOP], site=site)) for site in ("http://a", "http://b"))

    for one, other in zip(here, there, strict=True):
        assert one.pop("annotations") != other.pop("annotations")
        assert one == other


@pytest.mark.real
@pytest.mark.parametrize("period", [7, 28, 30, 90])
@pytest.mark.parametrize("target", ["0.999", "0.995"])
def test_every_tier_fires_at_its_time_to_detect_and_not_before(
    target: str, period: int, tmp_path: Path
) -> None:
    made = rule_tests.files(only("route_availability", target, period=days(period)))
    for each in made:
        (tmp_path / each.rules_name).write_text(each.rules)
        (tmp_path / each.tests_name).write_text(each.tests)

    assert len(made) == len(TIERS)
    assert promtool(*(tmp_path / each.tests_name for each in made)) == ""


@pytest.mark.real
def test_such_a_test_fails_where_the_factor_is_another(tmp_path: Path) -> None:
    (made, *_) = rule_tests.files(SHOP)
    (tmp_path / made.tests_name).write_text(made.tests)

    for factor in ("14.1", "14.7"):
        (tmp_path / made.rules_name).write_text(made.rules.replace("14.4", factor))
        assert "FAILED" in promtool(tmp_path / made.tests_name)


def test_a_tier_that_not_even_an_outage_fires_has_no_test() -> None:
    # Over 90 d the factors are 43.2, 18, 9 and 3: at 90 % an outage burns ten times.
    loose = only("route_availability", "0.9", period=days(90))

    made = [each.tests_name for each in rule_tests.files(loose)]

    assert made == ["ticket-fast.test.yml", "ticket-slow.test.yml"]


def test_a_ticket_has_tests_of_its_tickets() -> None:
    made = [each.tests_name for each in rule_tests.files(replace(SHOP, severity="ticket"))]

    assert made == ["ticket-fast.test.yml", "ticket-slow.test.yml"]


def alerting(
    directory: Path,
    objectives: list[Objective],
    series: dict[str, str],
    at: str,
    *,
    by: str = "alertname, route",
) -> list[tuple[str, str]]:
    """The (alert, route) pairs that fire at a time, by rules that see these recorded series."""
    document = yaml.safe_load(rules.render(objectives))
    for group in document["groups"]:
        group["rules"] = [rule for rule in group["rules"] if "alert" in rule]
    (directory / "alerts.yml").write_text(yaml.safe_dump(document))
    # What is expected is wrong on purpose: promtool prints what there is.
    query = f"max by ({by}) (ALERTS{{alertstate='firing'}})"
    wrong = [{"labels": '{nothing="like this"}', "value": 7}]
    test = {
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": wrong}],
            }
        ],
    }
    path = directory / "alerts.test.yml"
    path.write_text(yaml.safe_dump(test))
    said = promtool(path)
    assert "got:" in said, said
    found = said.split("got:", 1)[1]
    labels = [dict(re.findall(r'(\w+)="([^"]*)"', part)) for part in found.split("{")]
    return sorted((each["alertname"], each.get("route", "")) for each in labels if each)


def allowed(route: str, severity: str = "page") -> str:
    promise = f'target="0.999",period="30d",severity="{severity}"'
    return f'sluice:sli_allowed{{{LABELS},route="{route}",{promise}}}'


@pytest.mark.real
def test_prometheus_fires_what_the_service_fires(tmp_path: Path) -> None:
    chance = random.Random(20260301)
    series: dict[str, str] = {}
    expected = []
    for number in range(120):
        route, tier = f"r{number}", TIERS[number % 4]
        found, given = _drawn(chance, tier, route)
        series |= given
        if judge(tier, target=TARGET, period=days(30), **found).verdict == "fires":
            expected.append((alert_rules.name(tier), route))

    # Each route is a tier of its own, whose coverage is its own.
    assert 20 < len(expected) < 100
    assert alerting(tmp_path, [SHOP], series, "1m") == sorted(expected)


def _drawn(chance: random.Random, tier: AlertTier, route: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A tier's counts and coverage by chance, for the service and as recorded series."""
    coverage = chance.choice([Decimal(1), Decimal("0.7"), Decimal("0.4"), Decimal("0.02")])
    events = Decimal(chance.choice([60, 2000, 20_000, 100_000]))
    factor = tier.factor(days(30))
    found: dict[str, Any] = {"coverage": coverage}
    where = f'sli="route_availability",place="route",tier="{route}",route="{route}"'
    series = {
        f'sluice:sli_allowed{{{where},target="0.999",period="30d",severity="page"}}': "0.001x10",
        f'sluice:coverage:ratio{{tier="{route}",window="{duration(tier.long)}"}}': f"{coverage}x10",
    }
    for which, window in (("long", tier.long), ("short", tier.short)):
        burn = factor * Decimal(chance.choice(["0.97", "1.03", "2", "60"]))
        bad = min(events, events * burn * (1 - TARGET))
        found[which] = Counts(total=events, bad_backend=bad)
        count = f'{where},window="{duration(window)}"'
        series[f"sluice:sli_events:count{{{count}}}"] = f"{events}x10"
        series[f'sluice:sli_bad:count{{{count},originator="backend"}}'] = f"{bad}x10"
    return found, series


def burning(route: str, until: str = "") -> dict[str, str]:
    """A route that burns the whole time at a hundred times, on a fast page's windows."""
    found = {}
    for window in ("1h", "5m"):
        count = f'{LABELS},route="{route}",window="{window}"'
        found[f"sluice:sli_events:count{{{count}}}"] = until or "100000x400"
        found[f'sluice:sli_bad:count{{{count},originator="proxy"}}'] = "10000x400"
    return found


@pytest.mark.real
def test_a_ticket_never_pages(tmp_path: Path) -> None:
    covered = 'sluice:coverage:ratio{tier="edge",window="1h"}'
    series = {**burning("a"), **burning("b"), covered: "1x400"}
    series |= {allowed("a"): "0.001x400", allowed("b", "ticket"): "0.001x400"}

    assert alerting(tmp_path, [SHOP], series, "1m") == [("SluicePageFast", "a")]


@pytest.mark.real
def test_an_alert_outlives_its_data_but_not_for_ever(tmp_path: Path) -> None:
    # The events end after 10 min, the scrapes too; both stay away.
    ended = "100000x40 _x2000"
    series = {
        **burning("a", ended),
        allowed("a"): "0.001x2000",
        'sluice:coverage:ratio{tier="edge",window="1h"}': "1x2000",
        'sluice:scrape:timestamp{tier="edge"}': "0+15x40 _x2000",
    }

    fires = [("SluicePageFast", "a")]
    assert [alerting(tmp_path, [SHOP], series, at) for at in ("10m", "60m", "6h")] == [fires] * 3
    assert alerting(tmp_path, [SHOP], series, "6h20m") == []


@pytest.mark.real
def test_without_a_scrape_nothing_that_was_silent_fires(tmp_path: Path) -> None:
    series = {
        **burning("a", "100000x40"),
        'sluice:coverage:ratio{tier="edge",window="1h"}': "1x400",
        'sluice:scrape:timestamp{tier="edge"}': "0+15x40",
    }

    assert alerting(tmp_path, [SHOP], series, "30m") == []


@pytest.mark.real
@pytest.mark.parametrize(
    ("age", "unsent", "fires"), [("5", "0", True), ("61", "0", False), ("5", "121", False), ("", "", False)]
)
def test_sluice_says_that_it_tells_while_it_looks_and_sends(
    age: str, unsent: str, fires: bool, tmp_path: Path
) -> None:
    series = {}
    if age:
        series['sluice_heartbeat_age_seconds{part="objectives"}'] = f"{age}x10"
        series["sluice_outbox_oldest_seconds"] = f"{unsent}x10"

    found = alerting(tmp_path, [SHOP], series, "1m", by="alertname, sluice")

    assert found == ([("SluiceTells", "")] if fires else [])


def test_every_tier_has_a_name_of_its_own() -> None:
    assert alert_rules.name(PAGE_FAST) == "SluicePageFast"
    assert len({alert_rules.name(tier) for tier in TIERS}) == len(TIERS)


@pytest.mark.real
def test_a_real_prometheus_fires_the_published_alert(tmp_path: Path) -> None:
    # An hour of which 2 % failed, counted each 15 s until now; every group is evaluated each second.
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - timedelta(seconds=15 * step) for step in reversed(range(240))]
    where = {"sli": "route_availability", "place": "route", "tier": "edge", "route": "shop"}
    history = [
        History("sluice:sli_events:rate1m", where, [(at, 100.0) for at in times]),
        History("sluice:sli_bad:rate1m", {**where, "originator": "proxy"}, [(at, 2.0) for at in times]),
        History("sluice:scrape:timestamp", {"tier": "edge"}, [(at, at.timestamp()) for at in times]),
    ]
    text = re.sub(r"interval: \S+", "interval: 1s", rules.render([SHOP], site="https://sluice.test"))

    with prometheus(tmp_path, history=history, rules=text) as running:
        fired = wait_until(
            lambda: _firing(running.url, "SluicePageFast"), timeout=30, what="the alert of a fast page"
        )

    assert fired is not None

    assert fired["labels"] == {
        "alertname": "SluicePageFast",
        **where,
        "target": "0.999",
        "period": "30d",
        "severity": "page",
        "sluice": "burn",
    }
    said = fired["annotations"]
    assert re.fullmatch(
        r"route_availability of edge/shop burns \d+\.\dx over 1h \(pages at 14\.4x\)", said["summary"]
    )
    assert said["objective"] == (
        "https://sluice.test/objectives/find/?tier=edge&sli=route_availability&route=shop&upstream="
        "&target=0.999&period=30d"
    )
    assert said["runbook_url"] == said["objective"] + "&to=runbook"


def _firing(url: str, name: str) -> dict[str, Any] | None:
    found = requests.get(f"{url}/api/v1/alerts", timeout=5).json()["data"]["alerts"]
    return next((one for one in found if one["labels"]["alertname"] == name), None)
