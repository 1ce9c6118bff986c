"""The recipe of docs/runbooks.md: a team's file is applied, watches real figures, acts, and takes it back."""

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

import alerts.selectors
import outbound.posting
import proxy.services
from lab.effects import Effects
from runbooks import selectors, services
from runbooks.domain import mistakes
from runbooks.domain.writing import from_markdown
from telemetry import ports
from telemetry.prometheus import Prometheus
from tests.proxy.factories import document
from tests.runbooks.stepping import alone
from tests.runbooks.world import ANN, QUICK, World
from tests.support.prometheus import History, prometheus
from tests.support.serving import serving

pytestmark = pytest.mark.django_db
EXAMPLE = Path(__file__).parents[2] / "docs/examples/pool-nearly-full.md"
SLUG, SECRET = EXAMPLE.stem, "what the scaler knows"
UPSTREAM = {"tier": "edge", "proxy": "edge-1", "envoy_cluster_name": "shop-v1"}
SHORT = QUICK | {"verify_for": "20s"}
FULL, ROOMY = 70, 90  # seconds


def test_the_example_has_no_mistakes() -> None:
    assert mistakes.of(from_markdown(SLUG, EXAMPLE.read_text())) == []


def figures(begin: datetime) -> list[History]:
    """95 of 100 requests at once at 4 instances, and 50 once there are more."""
    at = [begin + timedelta(seconds=2 * i) for i in range((FULL + ROOMY) // 2)]

    def series(metric: str, full: float, roomy: float, labels: dict[str, str]) -> History:
        end = begin + timedelta(seconds=FULL)
        return History(metric, labels, [(t, full if t < end else roomy) for t in at])

    return [
        series("up", 1, 1, {"tier": "edge", "proxy": "edge-1"}),
        series("envoy_cluster_upstream_rq_active", 95, 50, UPSTREAM),
        series("envoy_cluster_circuit_breakers_default_remaining_rq", 5, 50, UPSTREAM),
        series("envoy_cluster_membership_healthy", 4, 6, UPSTREAM),
    ]


class Watching(World):
    """A world that looks at a real Prometheus and calls a real service."""

    def tick(self, seconds: float = 2) -> None:
        super().tick(seconds)
        services.send(outbound=outbound.posting.from_settings(), now=self.now)

    def step(self, state: str, *, before: datetime) -> None:
        while self.states()[:1] != [state] and self.now < before:
            self.tick()
        assert self.states()[:1] == [state], [row.why for row in selectors.runs()]


@pytest.mark.real
def test_the_example_is_applied_and_runs_from_detection_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    begin = timezone.now().replace(microsecond=0) - timedelta(seconds=FULL + ROOMY)
    scaler = Effects(SECRET, instances=4)
    monkeypatch.setenv("SLUICE_HOOK_SECRET_SCALER", SECRET)
    settings.HOOK_HOSTS = ["127.0.0.1"]
    with (
        serving(scaler.answered) as port,
        prometheus(tmp_path / "prometheus", history=figures(begin)) as running,
        alone(SLUG),
    ):
        client = Prometheus(running.url, timeout=5.0)
        monkeypatch.setattr(ports, "from_settings", lambda timeout=None: client)
        w = Watching(now=begin + timedelta(seconds=10), metrics=client)  # type: ignore[arg-type]
        proxy.services.apply(document=document(), by=ANN, reason="test", now=w.now)
        w.ack()
        file = tmp_path / EXAMPLE.name
        text = EXAMPLE.read_text()
        file.write_text(
            text.replace("https://scaler.example.org/hooks/sluice", f"http://127.0.0.1:{port}/effects")
        )
        out = io.StringIO()
        call_command("runbook", "apply", str(file), stdout=out, stderr=out)
        assert f"+ runbook {SLUG}" in out.getvalue()
        services.set_policy(runbook=SLUG, tier="edge", policy=SHORT, by=ANN, reason="short", now=w.now)

        w.step("SUPPRESSED", before=begin + timedelta(seconds=40))
        assert (w.run().why, scaler.done) == ("mode observe: it only tells", [])

        services.set_mode(runbook=SLUG, tier="edge", mode="auto", by=ANN, reason="trusted", now=w.now)
        w.step("VERIFYING", before=begin + timedelta(seconds=FULL))
        # 4 x 0.95 / 0.7 = 5.43
        assert scaler.instances == 6
        assert scaler.done[0]["service"] == "shop-v1"
        w.step("HOLDING", before=begin + timedelta(seconds=FULL + 40))
        w.step("SUCCEEDED", before=begin + timedelta(seconds=FULL + ROOMY - 2))
        assert scaler.instances == 4
        told = [m.text for m in alerts.selectors.messages()]
        assert any("The pool of shop-v1 is nearly full" in text for text in told)
        client.close()
