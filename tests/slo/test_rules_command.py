"""`manage.py rules`: prints, checks, publishes."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

import alerts.selectors
from audit.domain.actor import Actor
from audit.models import Entry
from slo import services
from telemetry.rulefiles import RuleFiles
from tests.slo.recorded import NOW, tier
from tests.support.processes import free_port
from tests.support.prometheus import prometheus

pytestmark = pytest.mark.django_db
BY = Actor(name="ann", source="cli")


def rules(**options: Any) -> str:
    out = StringIO()
    call_command("rules", stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def test_standard_output_is_the_rule_file_as_yaml() -> None:
    document = yaml.safe_load(rules())

    assert [group["name"] for group in document["groups"]] == ["sluice-events", "sluice-hours", "sluice-days"]


def test_another_period_adds_its_window() -> None:
    objective = {"name": "p", "kind": "proxy_availability", "target": 99.9, "window_days": 28}

    services.sync(tier=tier(objectives=[objective]), by=BY, now=NOW)

    assert "window: 28d" in rules()


@pytest.mark.real
def test_the_file_passes_the_check() -> None:
    assert rules(check=True) == rules()


def test_without_a_directory_there_is_nowhere_to_publish(settings: Settings) -> None:
    settings.PROMETHEUS_RULES_DIR = ""

    with pytest.raises(CommandError, match="SLUICE_PROMETHEUS_RULES_DIR"):
        rules(publish=True)


@pytest.mark.real
def test_publishing_is_audited_once(settings: Settings, tmp_path: Path) -> None:
    with prometheus(tmp_path) as running:
        settings.PROMETHEUS_RULES_DIR = str(running.rules_dir)
        settings.PROMETHEUS_URL = running.url

        rules(publish=True)
        rules(publish=True)

    assert (running.rules_dir / "sluice.yml").read_text() == rules()
    assert [entry.action for entry in Entry.objects.all()] == ["rules.published"]


@pytest.mark.real
def test_rules_that_prometheus_refuses_are_told_once_and_cleared(tmp_path: Path) -> None:
    with prometheus(tmp_path) as running:
        files = RuleFiles(directory=running.rules_dir, url=running.url)
        others = running.rules_dir / "others.yml"
        others.write_text("groups: nonsense")

        assert not services.keep_rules(files=files, now=NOW)
        assert not services.keep_rules(files=files, now=NOW + timedelta(minutes=1))
        (incident,) = alerts.selectors.open_incidents()
        assert incident.numbers["reason"].startswith("HTTP 500")

        others.unlink()
        assert services.keep_rules(files=files, now=NOW + timedelta(minutes=2))
        assert alerts.selectors.open_incidents() == []


def test_a_prometheus_that_is_away_says_nothing_of_its_rules(tmp_path: Path) -> None:
    nowhere = RuleFiles(directory=tmp_path, url=f"http://127.0.0.1:{free_port()}")

    assert not services.keep_rules(files=nowhere, now=NOW)

    assert alerts.selectors.open_incidents() == []
