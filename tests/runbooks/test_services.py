"""A run from its proposal to its end, on the real services of proxy and alerts."""

from collections.abc import Iterable
from typing import Any

import pytest

import alerts.selectors
import alerts.services
import audit.selectors
import proxy.selectors
import proxy.services
from proxy.domain.patches import apply_patches
from proxy.domain.translate import routes
from proxy.memory import InMemoryAdmin
from runbooks import listed, selectors
from telemetry.domain.errors import MetricsUnavailable
from tests.proxy.factories import document
from tests.runbooks.world import ANN, asking, holding, world

pytestmark = pytest.mark.django_db


class Admin(InMemoryAdmin):
    """Proxies that run the tier's routes with these patches, whatever they were given."""

    def __init__(self, *patches: dict[str, Any]) -> None:
        super().__init__()
        self._table = routes.table(apply_patches(proxy.selectors.base("edge"), patches))

    def sections(self, address: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {name: {"configs": [{"route_config": self._table}]} for name in names}

    def runtime(self, address: str) -> dict[str, Any]:
        return {}


def test_a_quiet_tier_starts_nothing_and_shows_its_values() -> None:
    w = world()
    w.ticks(5)
    assert w.states() == []
    (shop,) = [row for row in selectors.detections() if row.subject == "shop"]
    assert (shop.said, shop.numbers["Retries per first attempt"]) == ("calm", "0.0 %")


def test_a_storm_is_confirmed_and_asks_with_the_exact_difference() -> None:
    w = asking()
    run = w.run()
    assert run.plan is not None
    assert run.plan.routes == ("shop",)
    assert run.plan.proxies == ("edge-1", "edge-2")
    assert any("retry" in change for change in run.plan.changes)
    assert w.live() == []
    message = alerts.selectors.message(f"run/{run.id}/approval/{run.plan_hash}")
    assert message is not None
    assert message.kind == "APPROVAL"
    assert f"/runbooks/retry-storm/?incident={run.incident_id}" in str(message.blocks)


def test_an_approved_run_goes_all_the_way_and_leaves_nothing() -> None:
    w = asking()
    w.approve()
    w.until("VERIFYING")
    assert w.live() == ["route/shop/retry"]
    w.retries_off()
    w.until("HOLDING")
    w.healthy()
    w.until("SUCCEEDED")
    assert w.history() == [
        "PROPOSED",
        "CONFIRMING",
        "AWAITING_APPROVAL",
        "CONFIRMING",
        "MITIGATING",
        "MITIGATING",
        "VERIFYING",
        "HOLDING",
        "REVERTING",
        "SUCCEEDED",
    ]
    assert w.live() == []
    assert [t.owner for t in proxy.selectors.targets("edge")] == [""]


def test_every_version_has_one_step_and_one_audit_row() -> None:
    w = holding()
    w.healthy()
    w.until("SUCCEEDED")
    run = w.run()
    versions = [e.detail["version"] for e in audit.selectors.entries(action="run.", limit=500)]
    assert sorted(versions) == [step.version for step in run.steps] == list(range(1, len(run.steps) + 1))


def test_mode_auto_acts_without_asking() -> None:
    w = holding()
    assert "AWAITING_APPROVAL" not in w.history()
    assert w.live() == ["route/shop/retry"]


def test_mode_observe_only_tells_and_says_so_once() -> None:
    w = world()
    w.mode("observe")
    w.storm()
    w.ticks(30)
    assert w.states() == ["SUPPRESSED"]
    (incident,) = alerts.selectors.open_incidents()
    assert (incident.cause, incident.runbook) == ("retry_storm", "retry-storm")
    posts = [m for m in alerts.selectors.messages() if m.op == "post"]
    assert len(posts) == 1


def test_retries_that_heal_are_left_alone() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.wasted = 5.0
    w.ticks(10)
    assert w.states() == []


def test_a_blip_is_not_confirmed_and_pages_nobody() -> None:
    w = world()
    w.storm()
    w.tick()
    w.healthy()
    w.tick()
    assert w.states() == ["NOT_CONFIRMED"]
    assert alerts.selectors.incidents() == []


@pytest.mark.parametrize("cut", ["prometheus", "scrapes", "traffic"])
def test_no_data_starts_nothing(cut: str) -> None:
    w = world()
    w.storm()
    {
        "prometheus": lambda: w.metrics.fail(MetricsUnavailable("down")),
        "scrapes": lambda: setattr(w, "scrape_age", 60.0),
        "traffic": lambda: setattr(w, "first", None),
    }[cut]()
    w.ticks(10)
    assert w.states() == []
    assert {row.said for row in selectors.detections()} == {"no_data"}


def test_a_revert_still_happens_without_data() -> None:
    w = holding()
    w.metrics.fail(MetricsUnavailable("down"))
    w.until("SUCCEEDED", rounds=80)
    assert w.live() == []


def test_what_gets_worse_is_taken_back_at_once() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.until("VERIFYING")
    w.retries, w.wasted, w.failed = 0.0, 0.0, 90.0
    w.until("FAILED_REVERTED")
    assert "first attempts fail more" in w.run().why
    assert w.live() == []


def test_what_does_not_help_is_taken_back_after_one_extension() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.until("FAILED_REVERTED")
    assert w.history().count("VERIFYING") == 2
    assert w.live() == []


def test_what_no_proxy_acknowledges_is_taken_back_and_then_needs_a_person() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.acking = False
    w.until("NEEDS_HUMAN")
    run = w.run()
    assert w.live() == []
    assert "edge-1, edge-2" in run.why
    assert [m.kind for m in alerts.selectors.messages() if m.kind == "NEEDS_HUMAN"] == ["NEEDS_HUMAN"]
    assert proxy.selectors.targets("edge")[0].owner == f"run/{run.id}"
    w.ack()
    w.until("FAILED_REVERTED")
    assert proxy.selectors.targets("edge")[0].owner == ""


def test_a_refusal_by_a_proxy_is_taken_back_with_its_reason() -> None:
    w = world()
    w.mode("auto")
    w.storm()
    w.acking = False
    w.until("MITIGATING")
    generation = proxy.selectors.generation("edge")
    proxy.services.record_nack(
        tier="edge", proxy="edge-2", generation=generation, kind="RDS", reason="bad route", now=w.now
    )
    w.acking = True
    proxy.services.record_ack(tier="edge", proxies=["edge-1"], generation=generation, now=w.now)
    w.until("FAILED_REVERTED")
    assert w.run().why == "edge-2 refused it: bad route"


def test_a_proxy_that_runs_something_else_overrules_its_acknowledgement() -> None:
    w = world()
    w.mode("auto")
    w.admin = Admin()
    w.storm()
    w.until("FAILED_REVERTED")
    assert w.run().why.startswith("edge-1 acknowledged it, but routes edge: num_retries is 2, not 0")


def test_what_the_proxies_run_is_read_back_as_evidence() -> None:
    w = world()
    w.mode("auto")
    w.admin = Admin({"kind": "retry_off", "route": "shop"})
    w.storm()
    run = w.until("VERIFYING")
    shown = run.steps[-1].evidence["read_back"]
    assert {name: says.split(";")[0] for name, says in shown.items()} == {
        "edge-1": "routes edge: num_retries is 0",
        "edge-2": "routes edge: num_retries is 0",
    }


def test_the_budget_remedy_tightens_every_upstream_that_has_traffic() -> None:
    w = world(remedy="retry_budget")
    w.mode("auto")
    w.storm()
    w.until("VERIFYING")
    assert w.live() == ["upstream/shop-v1/retry_budget"]


def test_the_incident_is_mitigated_while_it_holds_and_resolves_after() -> None:
    w = holding()
    (incident,) = alerts.selectors.open_incidents()
    assert incident.state == "MITIGATED"
    w.healthy()
    w.until("SUCCEEDED")
    w.ticks(10)
    assert alerts.selectors.open_incidents() == []


def test_a_runbook_shows_its_text_mode_and_runs() -> None:
    w = asking()
    row = listed.runbook("retry-storm")
    assert row is not None
    assert "<h2>What it means</h2>" in row.html
    assert [(m.tier, m.mode, m.declared) for m in row.modes] == [("edge", "approve", "approve")]
    assert [r.id for r in row.runs] == [w.run().id]


def test_a_storm_that_outlives_its_run_opens_the_incident_again() -> None:
    w = holding()
    w.retries, w.wasted, w.failed = 80.0, 60.0, 95.0
    w.until("FAILED_REVERTED")
    w.ticks(3)
    (incident,) = alerts.selectors.open_incidents()
    assert incident.state == "OPEN"
    assert [m.kind for m in reversed(alerts.selectors.messages()) if m.text.startswith("It is back")] == [
        "FIRING"
    ]


def test_what_fires_on_a_target_that_is_gone_fires_no_more() -> None:
    w = world()
    w.mode("observe")
    w.storm()
    w.ticks(10)
    assert [incident.route for incident in alerts.selectors.open_incidents()] == ["shop"]
    without = document()
    without["tiers"][0]["routes"] = without["tiers"][0]["routes"][1:]
    proxy.services.apply(document=without, by=ANN, reason="shop is gone", now=w.now)
    w.tick()
    assert alerts.selectors.open_incidents() == []
    assert {row.subject for row in selectors.detections(runbook="retry-storm")} == {"payments"}
