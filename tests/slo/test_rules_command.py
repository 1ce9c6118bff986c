"""`manage.py rules`: prints, checks, publishes."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

import alerts.selectors
from audit.domain.actor import Actor
from audit.models import Entry
from slo import services
from telemetry import ports
from telemetry.rulefiles import RuleFiles
from tests.slo.recorded import NOW, tier
from tests.support.processes import free_port, wait_until
from tests.support.prometheus import Running, prometheus

pytestmark = pytest.mark.django_db
BY = Actor(name="ann", source="cli")


def rules(**options: Any) -> str:
    out = StringIO()
    call_command("rules", stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def test_standard_output_is_the_rule_file_as_yaml() -> None:
    document = yaml.safe_load(rules())

    assert [group["name"] for group in document["groups"]] == [
        "sluice-events",
        "sluice-hours",
        "sluice-days",
    ]


def test_another_period_adds_its_window() -> None:
    objective = {"name": "p", "kind": "proxy_availability", "target": 99.9, "window_days": 28}

    services.sync(tier=tier(objectives=[objective]), by=BY, now=NOW)

    assert "window: 28d" in rules()


def test_without_a_directory_there_is_nowhere_to_publish(settings: Settings) -> None:
    settings.PROMETHEUS_RULES_DIR = ""

    with pytest.raises(CommandError, match="SLUICE_PROMETHEUS_RULES_DIR"):
        rules(publish=True)


@pytest.fixture
def running(settings: Settings, tmp_path: Path) -> Iterator[Running]:
    with prometheus(tmp_path) as started:
        settings.PROMETHEUS_RULES_DIR = str(started.rules_dir)
        settings.PROMETHEUS_URL = started.url
        yield started


def keep(running: Running, after: timedelta = timedelta(0)) -> bool:
    files = RuleFiles(directory=running.rules_dir, url=running.url)
    return services.keep_rules(files=files, metrics=ports.from_settings(), now=NOW + after)


def reload(running: Running) -> None:
    requests.post(f"{running.url}/-/reload", timeout=10).raise_for_status()


def told() -> list[str]:
    return [incident.numbers.get("differs", "") for incident in alerts.selectors.open_incidents()]


@pytest.mark.real
def test_publishing_is_audited_once(running: Running) -> None:
    rules(publish=True)
    rules(publish=True)

    assert (running.rules_dir / "sluice.yml").read_text() == rules()
    assert [entry.action for entry in Entry.objects.all()] == ["rules.published"]


@pytest.mark.real
def test_the_check_compares_with_what_prometheus_runs(running: Running) -> None:
    services.sync(tier=tier("shop", "payments"), by=BY, now=NOW)
    with pytest.raises(CommandError, match="sluice:scrape:timestamp is missing"):
        rules(check=True)

    assert keep(running)
    assert rules(check=True) == ""

    (running.rules_dir / "sluice.yml").write_text(rules().replace("14.4", "1440"))
    reload(running)
    with pytest.raises(CommandError, match=r"SluicePageFast.* has another expression") as refused:
        rules(check=True)
    assert refused.value.returncode == 1


@pytest.mark.real
def test_what_was_loaded_by_hand_is_replaced(running: Running) -> None:
    keep(running)
    published = running.rules_dir / "sluice.yml"
    text = published.read_text()
    published.write_text(text.replace("14.4", "1440"))
    reload(running)
    published.write_text(text)

    assert services.drifted(metrics=ports.from_settings())
    assert keep(running)
    assert services.drifted(metrics=ports.from_settings()) == []


@pytest.mark.real
def test_rules_that_drift_are_an_alert_until_they_do_not(running: Running) -> None:
    keep(running)
    copied = running.rules_dir / "copy.yml"
    mine = {"record": "sluice:scrape:timestamp", "expr": "vector(1)"}
    copied.write_text(yaml.safe_dump({"groups": [{"name": "sluice-copied", "rules": [mine]}]}))
    reload(running)

    assert not keep(running, timedelta(minutes=1))
    assert told() == ["sluice-copied: sluice:scrape:timestamp is there besides"]
    assert not keep(running, timedelta(minutes=2))
    assert len(alerts.selectors.messages()) == 1

    copied.unlink()
    assert keep(running, timedelta(minutes=3))
    assert told() == []


@pytest.mark.real
def test_a_rule_that_fails_is_an_alert(running: Running) -> None:
    twice = {"expr": "label_replace(vector(1), 'a', 'b', '', '') or vector(2)", "labels": {"a": "b"}}
    group = {"name": "sluice-bad", "interval": "1s", "rules": [{"record": "sluice:bad", **twice}]}
    (running.rules_dir / "bad.yml").write_text(yaml.safe_dump({"groups": [group]}))
    keep(running)

    def failing() -> list[str]:
        return [one for one in services.drifted(metrics=ports.from_settings()) if " fails: " in one]

    found = wait_until(failing, timeout=10, what="a rule that fails")

    assert found == [
        'sluice-bad: sluice:bad{a="b"} fails: vector contains metrics with the same labelset'
        " after applying rule labels"
    ]


@pytest.mark.real
def test_rules_that_prometheus_refuses_are_told_once_and_cleared(running: Running) -> None:
    others = running.rules_dir / "others.yml"
    others.write_text("groups: nonsense")

    assert not keep(running)
    assert not keep(running, timedelta(minutes=1))
    (incident,) = alerts.selectors.open_incidents()
    assert incident.numbers["reason"].startswith("HTTP 500")

    others.unlink()
    assert keep(running, timedelta(minutes=2))
    assert alerts.selectors.open_incidents() == []


def test_a_prometheus_that_is_away_says_nothing_of_its_rules(settings: Settings, tmp_path: Path) -> None:
    settings.PROMETHEUS_URL = f"http://127.0.0.1:{free_port()}"
    nowhere = RuleFiles(directory=tmp_path, url=settings.PROMETHEUS_URL)

    assert not services.keep_rules(files=nowhere, metrics=ports.from_settings(), now=NOW)

    assert alerts.selectors.open_incidents() == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CommandError, match="not known") as unknown:
        rules(check=True)
    assert unknown.value.returncode == 2


@pytest.mark.real
def test_the_tests_of_an_objective_are_files_that_promtool_passes(tmp_path: Path) -> None:
    services.sync(tier=tier(), by=BY, now=NOW)

    said = rules(tests="edge/shop-availability", output=tmp_path / "proof").split()

    assert said[:3] == ["promtool", "test", "rules"]
    assert len(said) == 7
    # The fast page alone: tests/slo/test_alert_rules.py passes all of them.
    subprocess.run(said[:4], check=True, capture_output=True, timeout=60)


def test_an_objective_that_is_not_there_has_no_tests() -> None:
    with pytest.raises(CommandError, match="no objective edge/none; write TIER/OBJECTIVE"):
        rules(tests="edge/none")
