"""Rules are kept published while the objectives change."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts.models import Alert
from audit.domain.actor import Actor
from slo import services
from slo.domain import drift, rules
from telemetry.domain.loaded import LoadedRule
from telemetry.memory import InMemoryMetrics
from telemetry.rulefiles import RuleFiles
from tests.slo.recorded import tier

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BY = Actor("ann", "web")


def declare(*kinds: str) -> None:
    objectives = [{"name": kind.replace("_", "-"), "kind": kind, "target": 99.9} for kind in kinds]
    services.sync(tier=tier(objectives=objectives), by=BY, now=NOW)


class Meanwhile(InMemoryMetrics):
    """Runs what was published; when it is asked again, the objectives are others."""

    looks = 0

    def rules(self) -> tuple[LoadedRule, ...]:
        self.looks += 1
        if self.looks == 2:
            declare("proxy_availability", "tls_handshakes")
        return self.loaded


@pytest.mark.django_db
def test_an_objective_that_is_declared_meanwhile_is_no_drift(tmp_path: Path) -> None:
    declare("proxy_availability")
    text, metrics = services.rule_file(), Meanwhile()
    (tmp_path / rules.FILE).write_text(text)
    metrics.loaded = drift.wanted(text)

    kept = services.keep_rules(files=RuleFiles(tmp_path, "http://127.0.0.1:9"), metrics=metrics, now=NOW)

    assert (kept, metrics.looks) == (True, 2)
    assert services.rule_file() != text
    assert not Alert.objects.exists()
