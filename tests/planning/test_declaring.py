"""The call graph of a declaration, and `manage.py plan amplification`, as a person at a shell meets them."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.utils import timezone

import audit.selectors
import proxy.services
from audit.domain.actor import automation
from planning import selectors
from planning.models import Graph
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db
CALLS: list[dict[str, Any]] = [
    {"from": "clients", "to": "shop", "route": "edge/shop"},
    {"from": "shop", "to": "stock", "attempts": 3},
    {"from": "stock", "to": "db", "attempts": 3},
]
Apply = Callable[..., tuple[int, str, str]]


def declared(attempts: int = 2, calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    found = document(objectives=[])
    found["tiers"][0]["routes"][0]["retry"] = {"attempts": attempts}
    return found if calls is None else {**found, "call_graph": {"calls": calls}}


@pytest.fixture
def apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apply:
    """Runs `manage.py apply`; Envoy's own check of the tier is other tests' matter."""
    monkeypatch.setattr("proxy.validation.check_with_envoy", lambda tier: [])

    def run(given: dict[str, Any], *options: str) -> tuple[int, str, str]:
        file = tmp_path / "tier.yaml"
        file.write_text(yaml.safe_dump(given))
        out, err, code = io.StringIO(), io.StringIO(), 0
        try:
            call_command("apply", str(file), *options, stdout=out, stderr=err)
        except SystemExit as ended:
            code = int(str(ended.code))
        return code, out.getvalue(), err.getvalue()

    return run


def plan(*options: str) -> str:
    out = io.StringIO()
    call_command("plan", "amplification", *options, stdout=out)
    return out.getvalue()


def test_27_of_one_by_the_live_policy_of_the_route(apply: Apply) -> None:
    apply(declared(attempts=2, calls=CALLS))
    assert plan().splitlines() == [
        "service    worst  budgets  layers",
        "shop          x3     x1.2  3 (edge/shop)",
        "stock         x9     x3.6  3 (edge/shop) x 3 (shop)",
        "db           x27    x10.8  3 (edge/shop) x 3 (shop) x 3 (stock)",
        "stock: 2 layers retry; keep edge/shop, switch off shop",
        "db: 3 layers retry; keep edge/shop, switch off shop, stock",
    ]


def test_an_overlay_that_switches_retries_off_is_seen_at_once(apply: Apply) -> None:
    apply(declared(attempts=2, calls=CALLS))
    by = automation("runbooks")
    now = timezone.now()
    until = now + timedelta(hours=1)
    fence = proxy.services.lease(
        tier="edge", target="route/shop/retry", owner="run/1", until=until, by=by, now=now
    )
    proxy.services.put_overlay(
        tier="edge",
        target="route/shop/retry",
        owner="run/1",
        patch={"kind": "retry_off", "route": "shop"},
        fence=fence,
        expires_at=until,
        by=by,
        reason="",
        now=now,
    )
    db = selectors.amplified(now=now).load("db")
    assert db is not None
    assert (db.worst, [layer.name for layer in db.retrying]) == (9, ["shop", "stock"])


def test_programs_get_json(apply: Apply) -> None:
    apply(declared(calls=CALLS[:1]))
    assert json.loads(plan("--json")) == {
        "services": [
            {
                "service": "shop",
                "worst": 3.0,
                "with_budgets": 1.2,
                "layers": [{"name": "edge/shop", "route": True, "tries": 3, "budget": 0.2}],
                "retrying_layers": 1,
                "keep": None,
            }
        ],
        "unknown_routes": [],
    }


def test_without_a_graph_it_says_how_to_declare_one() -> None:
    assert plan().startswith("No call graph is declared: add `call_graph:`")


def test_layers_that_multiply_are_pointed_out_before_anything_is_written(apply: Apply) -> None:
    code, out, err = apply(declared(calls=CALLS), "--plan")
    assert code == 0
    assert "~ callgraph 3 calls (before: 0)" in out
    assert (
        "warning: call_graph: db is retried for at 3 layers, x27 at worst"
        " (3 (edge/shop) x 3 (shop) x 3 (stock)): keep edge/shop, switch off shop, stock" in err
    )
    assert not Graph.objects.exists()


def test_a_route_that_no_tier_has_is_refused_with_its_path(apply: Apply) -> None:
    calls = [{"from": "clients", "to": "shop", "route": "edge/shopp"}]
    code, _, err = apply(declared(calls=calls))
    assert (code, err) == (
        2,
        "call_graph.calls[0].route: there is no route edge/shopp: declare it, or leave `route` out\n",
    )
    assert not Graph.objects.exists()


def test_what_is_exported_comes_back_as_no_difference(apply: Apply) -> None:
    apply(declared(calls=CALLS))
    out = io.StringIO()
    call_command("export", stdout=out)
    exported = yaml.safe_load(out.getvalue())
    assert exported["call_graph"] == {"calls": CALLS}
    assert apply(exported, "--plan")[1] == "no difference\n"


def test_a_declaration_without_the_section_leaves_the_graph_alone_and_an_empty_one_forgets_it(
    apply: Apply,
) -> None:
    apply(declared(calls=CALLS))
    apply(declared())
    assert len(selectors.graph().calls) == 3
    apply({**declared(), "call_graph": None})
    assert not selectors.graph().calls
    told = [entry.detail["calls"] for entry in audit.selectors.entries(action="callgraph.", limit=9)]
    assert told == [0, 3]


def test_a_revision_that_makes_it_worse_wants_a_reason(apply: Apply) -> None:
    apply(declared(attempts=0, calls=CALLS))
    code, _, err = apply(declared(attempts=2))
    assert code == 2
    assert err.splitlines()[-1] == (
        "--reason: say why: retries: one request can become 10.8 at db (before: 9),"
        " 27 without budgets (before: 9)"
    )
    assert apply(declared(attempts=2), "--plan")[2].count("wants --reason") == 3
    code, out, _ = apply(
        declared(attempts=2), "--reason", "the budget bounds it; shop stops retrying on Friday"
    )
    assert (code, "revision 2" in out) == (0, True)


def test_a_revision_that_makes_it_better_wants_none(apply: Apply) -> None:
    apply(declared(attempts=2, calls=CALLS))
    assert apply(declared(attempts=0))[0] == 0
