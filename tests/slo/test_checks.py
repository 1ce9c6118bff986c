"""What is refused of a declaration because it could not be measured or defended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.domain.actor import Actor
from proxy import selectors, services
from proxy.domain.errors import Invalid
from telemetry import ports
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import InMemoryMetrics
from telemetry.ports import Metrics
from telemetry.prometheus import Prometheus
from tests.proxy.factories import document
from tests.support.prometheus import History, prometheus

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
BY = Actor("ann", "cli")
ROUTE = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99.9}
RATIO = {
    "name": "mail",
    "kind": "ratio",
    "target": 99,
    "bad": 'sum(rate(mails{state="lost"}[1m]))',
    "total": "sum(rate(mails[1m]))",
}
GAUGE = {"name": "queue", "kind": "gauge", "target": 99, "gauge": "max(depth)", "at_most": 10}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    at = [NOW - timedelta(seconds=15 * i) for i in range(20)]
    history = [
        History("mails", {"state": "sent"}, [(t, 1000.0 - i) for i, t in enumerate(at)][::-1]),
        History("depth", {}, [(t, 3.0) for t in at][::-1]),
        History("size_bucket", {"le": "10"}, [(t, 3.0) for t in at][::-1]),
    ]
    with prometheus(tmp_path_factory.mktemp("prometheus"), history=history) as running:
        client = Prometheus(running.url, timeout=5.0)
        yield client
        client.close()


def declare(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, *objectives: dict[str, Any]
) -> tuple[str, ...]:
    """Applies a tier with these; returns what was pointed out. Raises Invalid."""
    monkeypatch.setattr(ports, "from_settings", lambda timeout: metrics)
    done = services.apply(document=document(objectives=list(objectives)), by=BY, reason="", now=NOW)
    return done.warnings


def refused(metrics: Metrics, monkeypatch: pytest.MonkeyPatch, *objectives: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        declare(metrics, monkeypatch, *objectives)
    assert selectors.tiers() == []
    return dict(caught.value.errors)


@pytest.mark.django_db
class TestWithoutAPrometheus:
    """What arithmetic alone says."""

    def test_a_target_and_an_edge_are_refused_at_their_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slow = {"name": "slow", "kind": "added_latency", "target": 99, "threshold_ms": 2.5}
        said = refused(InMemoryMetrics(), monkeypatch, ROUTE, {**ROUTE, "name": "low", "target": 50}, slow)
        assert sorted(said) == ["tiers[0].objectives[1].target", "tiers[0].objectives[2].threshold_ms"]
        assert "use 2 ms or 3 ms" in said["tiers[0].objectives[2].threshold_ms"]

    def test_a_window_that_prometheus_does_not_keep_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        metrics = InMemoryMetrics()
        metrics.kept = timedelta(days=15)
        said = refused(metrics, monkeypatch, ROUTE)
        assert "keeps 15 d" in said["tiers[0].objectives[0].window_days"]

    def test_what_prometheus_says_is_told_beside_what_arithmetic_says(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        metrics = InMemoryMetrics()
        metrics.kept = timedelta(days=40)
        low = {**ROUTE, "name": "low", "target": 50}
        said = refused(metrics, monkeypatch, {**ROUTE, "window_days": 80}, low)
        assert sorted(said) == ["tiers[0].objectives[0].window_days", "tiers[0].objectives[1].target"]

    def test_one_that_is_away_refuses_only_what_it_has_to_check(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        metrics = InMemoryMetrics()
        metrics.fail(MetricsUnavailable("down"))
        (warning,) = declare(metrics, monkeypatch, ROUTE)
        assert "whether it keeps the objectives' windows is not known" in warning
        with pytest.raises(Invalid, match="cannot be checked"):
            declare(metrics, monkeypatch, ROUTE, RATIO)

    def test_what_was_accepted_once_is_not_asked_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        metrics = InMemoryMetrics()
        declare(metrics, monkeypatch, ROUTE)
        metrics.fail(MetricsUnavailable("down"))
        assert declare(metrics, monkeypatch, ROUTE) == ()

    def test_a_gateway_that_is_too_loose_is_pointed_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gateway = {"name": "gateway", "kind": "proxy_availability", "target": 99.9}
        (warning,) = declare(InMemoryMetrics(), monkeypatch, ROUTE, gateway)
        assert warning.startswith(
            "gateway lets the gateway fail 0.1 % of requests; shop (99.9 %) leaves it 0.02 %"
        )


@pytest.mark.real
@pytest.mark.django_db
class TestPromQL:
    """What the live server says of a person's own PromQL."""

    def test_what_it_knows_is_accepted(self, real: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
        assert declare(real, monkeypatch, RATIO, GAUGE) == ()

    def test_what_it_cannot_parse_is_refused_with_its_words(
        self, real: Prometheus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = refused(real, monkeypatch, {**GAUGE, "gauge": "max(depth"})
        assert "unclosed left parenthesis" in said["tiers[0].objectives[0].gauge"]

    @pytest.mark.parametrize("total", ["sum(rate(letters[1m]))", 'size_bucket{le="12"}'])
    def test_a_series_or_an_edge_that_does_not_exist_is_refused(
        self, total: str, real: Prometheus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = refused(real, monkeypatch, {**RATIO, "total": total})
        assert "it finds nothing now" in said["tiers[0].objectives[0].total"]
