"""Publishing rules to a real Prometheus: whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from telemetry.rulefiles import NotPublished, RuleFiles
from tests.support.processes import free_port
from tests.support.prometheus import Running, prometheus

pytestmark = pytest.mark.real


def rules(name: str) -> str:
    return yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": name, "expr": "vector(1)"}]}]})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with prometheus(tmp_path) as started:
        yield started


@pytest.fixture
def files(running: Running) -> RuleFiles:
    return RuleFiles(directory=running.rules_dir, url=running.url)


def loaded(running: Running) -> list[str]:
    groups = requests.get(f"{running.url}/api/v1/rules", timeout=5).json()["data"]["groups"]
    return [rule["name"] for group in groups for rule in group["rules"]]


def test_what_is_published_is_loaded(running: Running, files: RuleFiles) -> None:
    files.publish("sluice.yml", rules("sluice:one"))

    assert loaded(running) == ["sluice:one"]
    assert [path.name for path in running.rules_dir.iterdir()] == ["sluice.yml"]


def test_what_promtool_objects_to_is_never_written(running: Running, files: RuleFiles) -> None:
    files.publish("sluice.yml", rules("sluice:one"))

    with pytest.raises(NotPublished):
        files.publish("sluice.yml", rules("sluice:two").replace("vector(1)", "vector("))

    assert files.current("sluice.yml") == rules("sluice:one")
    assert loaded(running) == ["sluice:one"]


def test_when_prometheus_refuses_the_file_before_is_back(running: Running, files: RuleFiles) -> None:
    files.publish("sluice.yml", rules("sluice:one"))
    (running.rules_dir / "others.yml").write_text("groups: nonsense")

    with pytest.raises(NotPublished, match="500"):
        files.publish("sluice.yml", rules("sluice:two"))

    assert files.current("sluice.yml") == rules("sluice:one")
    assert loaded(running) == ["sluice:one"]


def test_when_prometheus_is_away_nothing_is_left_behind(tmp_path: Path) -> None:
    files = RuleFiles(directory=tmp_path / "rules", url=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(NotPublished, match="cannot be reached"):
        files.publish("sluice.yml", rules("sluice:one"))

    assert files.current("sluice.yml") is None
