"""Teams' own runbooks: declared in a file, kept by version, exported unchanged, deleted when nothing needs them."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

import alerts.selectors
import audit.selectors
import proxy.services
from access.domain.roles import Role
from proxy.domain.errors import Invalid
from runbooks import checking, listed, selectors, services, shelf, texts
from runbooks.domain.writing import from_markdown
from runbooks.models import RunbookVersion
from runbooks.services import seeing
from telemetry import ports
from telemetry.domain.errors import MetricsUnavailable
from telemetry.domain.series import Cost
from telemetry.memory import InMemoryMetrics
from telemetry.prometheus import Prometheus
from tests.proxy.factories import document
from tests.runbooks.own import BODY, declared, front, written
from tests.runbooks.stepping import RETRY_OFF, SLUG, alone, own, stepping
from tests.runbooks.world import ANN, START, world
from tests.support.people import bearer, person
from tests.support.prometheus import History, prometheus

pytestmark = pytest.mark.django_db
HEALTHY = {"envoy_cluster_name": "shop-v1"}


@pytest.fixture(autouse=True)
def metrics(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetrics:
    """A Prometheus that counts the healthy instances of one upstream."""
    known = InMemoryMetrics()
    promql = front()["signals"]["instances"]["promql"].replace("$tier", "edge")
    known.answer(promql, [(HEALTHY, 4.0)])
    monkeypatch.setattr(ports, "from_settings", lambda timeout=None: known)
    return known


def apply(*runbooks: Any, tiers: bool = True, **tier: Any) -> proxy.services.Applied:
    given = document(**tier) if tiers else {}
    return proxy.services.apply(
        document={**given, "runbooks": list(runbooks)}, by=ANN, reason="ours", now=START
    )


def refused(*runbooks: Any, **tier: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        apply(*runbooks, **tier)
    return dict(caught.value.errors)


def run(*argv: str) -> str:
    out = io.StringIO()
    call_command(*argv, stdout=out, stderr=out)
    return out.getvalue()


def test_a_declared_runbook_is_one_of_the_library_and_only_tells() -> None:
    assert apply(declared()).changes[-1] == "+ runbook pool-full"
    text = texts.text("pool-full")
    assert (text.title, text.version, text.automated) == ("Pool nearly full", 1, True)
    (mode,) = listed.runbook("pool-full").modes  # type: ignore[union-attr]
    assert (mode.mode, mode.declared) == ("observe", "observe")


def test_a_person_raises_its_mode_by_page_command_or_tier() -> None:
    apply(declared(), runbooks={"pool-full": {"policy": {"hold_for": "5m"}}})
    assert listed.runbook("pool-full").modes[0].mode == "observe"  # type: ignore[union-attr]
    apply(declared(), runbooks={"pool-full": {"mode": "approve"}})
    assert listed.runbook("pool-full").modes[0].mode == "approve"  # type: ignore[union-attr]
    services.set_mode(runbook="pool-full", tier="edge", mode="auto", by=ANN, reason="", now=START)
    assert listed.runbook("pool-full").modes[0].mode == "auto"  # type: ignore[union-attr]


def test_a_declaration_may_hold_runbooks_alone() -> None:
    done = apply(declared(), tiers=False)
    assert (done.revision, done.changes) == (None, ("+ runbook pool-full",))


def test_what_is_declared_again_is_no_version_and_a_change_is_told_by_field() -> None:
    apply(declared())
    assert apply(declared()).changes == ()
    done = apply(declared(thresholds={"full": 0.8, "roomy": 0.6}))
    assert done.changes == ("~ runbook pool-full: thresholds.full: 0.9 -> 0.8",)
    assert [row.number for row in shelf.history("pool-full")] == [2, 1]
    assert texts.text("pool-full").policy.thresholds["full"] == 0.8


def test_each_version_is_audited_with_who_and_why() -> None:
    apply(declared())
    apply(declared(owner="team till"))
    entries = audit.selectors.entries(action="runbook.declared")
    assert [(e.actor, e.reason, e.detail["version"]) for e in entries] == [
        ("ann", "ours", 2),
        ("ann", "ours", 1),
    ]


def test_what_comes_with_sluice_is_not_overwritten() -> None:
    assert "give yours another name" in refused(declared("retry-storm"))["runbooks[0].slug"]


def test_mistakes_of_all_runbooks_and_of_the_tier_are_told_with_their_paths() -> None:
    told = refused(
        declared(remedy="other"),
        declared("second", symptom={"signal": "load", "above": 1}),
        declared("second"),
        "x",
        runbooks={"pool-fulll": {"mode": "auto"}},
    )
    assert set(told) == {
        "runbooks[0].remedy",
        "runbooks[1].symptom.signal",
        "runbooks[2].slug",
        "runbooks[3]",
        "tiers[0].runbooks.pool-fulll",
    }
    assert shelf.newest() == {}


def test_a_tier_may_name_a_runbook_of_the_same_document() -> None:
    objective = {"name": "tls", "kind": "proxy_availability", "target": 99, "runbook": "pool-full"}
    apply(declared(), objectives=[objective], runbooks={"pool-full": {"mode": "observe"}})
    assert set(shelf.newest()) == {"pool-full"}


def test_an_export_is_applied_again_without_a_difference(tmp_path: Path) -> None:
    apply(declared(), declared("other", summary='say ${HOME}: "it\'s" # so'))
    file = tmp_path / "all.yaml"
    file.write_text(run("export"))
    assert yaml.safe_load(file.read_text())["runbooks"][1]["text"] == f"{BODY}\n"
    assert run("apply", "--plan", str(file)) == "no difference\n"


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    world()
    file = tmp_path / "pool-full.md"
    file.write_text(written().source.replace("scope:", "# of each upstream\nscope:"))
    assert "+ runbook pool-full" in run("runbook", "apply", str(file), "--plan")
    assert shelf.newest() == {}
    assert "+ runbook pool-full" in run("runbook", "apply", str(file), "--by", "ann", "--reason", "ours")
    assert run("runbook", "export", "pool-full") == file.read_text()
    assert run("runbook", "apply", str(file), "--plan") == "no difference\n"
    assert "by ann: ours" in run("runbook", "history", "pool-full")


def test_a_file_s_mistakes_are_told_by_their_places(tmp_path: Path) -> None:
    file = tmp_path / "pool-full.md"
    file.write_text(written(remedy="other", cause=1).source)
    errors = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("runbook", "apply", str(file), stderr=errors)
    assert ended.value.code == 2
    assert f"{file}: cause: " in errors.getvalue()
    file.write_text("nothing")
    with pytest.raises(SystemExit):
        call_command("runbook", "apply", str(file), stderr=errors)
    assert "two lines of ---" in errors.getvalue()


def test_a_deleted_runbook_begins_anew_when_it_is_declared_again() -> None:
    apply(declared())
    services.set_mode(runbook="pool-full", tier="edge", mode="auto", by=ANN, reason="", now=START)
    run("runbook", "delete", "pool-full", "--reason", "not needed")
    assert "pool-full" not in texts.library()
    assert [(row.number, row.gone) for row in shelf.history("pool-full")] == [(2, True), (1, False)]
    assert apply(declared()).changes == ("+ runbook pool-full",)
    assert listed.runbook("pool-full").modes[0].mode == "observe"  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["deleted", "another scope"])
def test_what_fired_by_it_is_over_when_nothing_looks_any_more(how: str) -> None:
    with alone():
        w = stepping(RETRY_OFF, mode="observe")
        w.storm()
        w.until("SUPPRESSED")
        assert [row.cause for row in alerts.selectors.open_incidents()] == ["own"]
        if how == "deleted":
            services.delete(slug=SLUG, by=ANN, reason="", now=w.now)
        else:
            upstream = written(SLUG, cause="own")
            services.declare(declared=[upstream], by=ANN, reason="", now=w.now)
    assert alerts.selectors.open_incidents() == []


def test_what_a_run_needs_is_not_deleted() -> None:
    with alone():
        w = stepping(RETRY_OFF)
        w.storm()
        w.until("VERIFYING")
        with pytest.raises(services.InUse, match=f"run {w.run().id} is open"):
            services.delete(slug=SLUG, by=ANN, reason="", now=w.now)
        services.declare(declared=[own(RETRY_OFF, title="Another")], by=ANN, reason="", now=w.now)
        services.cancel(run_id=w.run().id, by=ANN, reason="", now=w.now)
        w.until("CANCELLED")


@pytest.mark.parametrize("slug", ["retry-storm", "nope"])
def test_what_is_no_team_s_own_is_not_deleted(slug: str) -> None:
    with pytest.raises(CommandError):
        run("runbook", "delete", slug, "--reason", "x")


def test_what_a_tier_names_is_not_deleted() -> None:
    apply(declared(), runbooks={"pool-full": {"mode": "auto"}})
    with pytest.raises(services.InUse, match="tier edge names"):
        services.delete(slug="pool-full", by=ANN, reason="", now=START)


def test_two_who_declare_at_once_are_not_both_first(monkeypatch: pytest.MonkeyPatch) -> None:
    apply(declared())
    last = shelf.newest()["pool-full"]
    services.declare(declared=[written(owner="bo")], by=ANN, reason="", now=START)
    monkeypatch.setattr("runbooks.services.declaring._locked", lambda slug: _Row(last))
    with pytest.raises(services.ChangedMeanwhile):
        services.declare(declared=[written(owner="cy")], by=ANN, reason="", now=START)


class _Row:
    """The version that was the newest when it was read."""

    def __init__(self, row: shelf.VersionRow) -> None:
        self.slug, self.number, self.source, self.gone = row.slug, row.number, row.source, row.gone
        self.by, self.reason, self.at = row.by, row.reason, row.at


def test_a_version_that_an_upgrade_cannot_read_watches_nothing_and_says_so() -> None:
    apply(declared())
    row = RunbookVersion.objects.get()
    row.source = row.source.replace("scope: upstream", "scope: galaxy")
    row.save()
    text = texts.text("pool-full")
    assert (text.automated, "cannot be read" in text.problem) == (False, True)
    assert "pool-full" not in texts.automated()


def test_a_prometheus_that_is_away_refuses_what_is_new_and_nothing_else(
    metrics: InMemoryMetrics,
) -> None:
    apply(declared())
    metrics.fail(MetricsUnavailable("down"))
    assert apply(declared()).changes == ()
    told = refused(declared(owner="team till"))
    assert "cannot be checked" in told["runbooks[0].signals.instances.promql"]


def test_promql_that_takes_too_long_is_refused(
    metrics: InMemoryMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "cost", lambda promql, at: Cost(samples=1, seconds=1.2))
    told = refused(declared())
    assert "takes Prometheus 1.2 s" in told["runbooks[0].signals.instances.promql"]


def test_own_runbooks_that_take_too_long_hold_up_no_run_and_none_that_comes_with_sluice(
    metrics: InMemoryMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = stepping(RETRY_OFF, mode="observe")
    monkeypatch.setattr(seeing, "OWN_SECONDS", -1.0)
    w.storm()
    w.tick()
    assert {row.runbook for row in selectors.detections()} == set(texts.automated()) - {SLUG}


def test_queries_do_not_grow_with_runbooks(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    world()
    for count in (10, 100):
        services.declare(declared=[written(f"own-{i}") for i in range(count)], by=ANN, reason="", now=START)
        with django_assert_num_queries(1):
            texts.library()
        with django_assert_num_queries(RUNBOOKS_QUERIES):
            listed.runbooks()


RUNBOOKS_QUERIES = 9


@pytest.mark.real
def test_its_promql_is_put_to_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now().replace(microsecond=0) - timedelta(minutes=1)
    points = [(now - timedelta(seconds=5 * i), 4.0) for i in range(10)][::-1]
    series = History("envoy_cluster_membership_healthy", {"tier": "edge", **HEALTHY}, points)
    signals = front()["signals"]
    sound = 'max by (envoy_cluster_name) (envoy_cluster_membership_healthy{tier="$tier"})'

    def said(promql: str) -> tuple[dict[str, str], tuple[str, ...]]:
        signals["instances"]["promql"] = promql
        found = checking.said({"": written(signals=signals)}, tier="edge", now=now)
        return dict(found.problems), found.warnings

    with prometheus(tmp_path, history=[series]) as running:
        client = Prometheus(running.url, timeout=5.0)
        monkeypatch.setattr(ports, "from_settings", lambda timeout=None: client)
        place = "signals.instances.promql"
        assert said(sound) == ({}, ())
        assert "Prometheus refuses it" in said('max by (envoy_cluster_name (x{tier="$tier"})')[0][place]
        assert "bear no label" in said('max(envoy_cluster_membership_healthy{tier="$tier"})')[0][place]
        assert "finds nothing now" in said(sound.replace("healthy", "helthy"))[1][0]
        client.close()


def test_a_source_that_is_read_is_read_the_same_again() -> None:
    one = written()
    assert texts.read(one.slug, from_markdown(one.slug, one.source).source).title == "Pool nearly full"


def test_the_page_shows_definition_queries_and_versions(client: Client) -> None:
    apply(declared())
    apply(declared(owner="team till", title="Pool full"))
    client.force_login(person(Role.VIEWER, "vi"))
    page = client.get("/runbooks/pool-full/").content.decode()
    assert "version 2 by ann" in page
    assert "requests_saturation" in page
    assert "envoy_cluster_membership_healthy{tier=&quot;edge&quot;}" in page
    assert "The pool is nearly full." in page
    assert "Delete…" not in page
    history = client.get("/runbooks/pool-full/history/").content.decode()
    assert "~ runbook pool-full: owner: team shop -&gt; team till\n" in history
    assert "~ runbook pool-full: title: Pool nearly full -&gt; Pool full\n" in history
    assert "comes with Sluice" in client.get("/runbooks/retry-storm/").content.decode()
    assert client.get("/runbooks/retry-storm/history/").status_code == 404


def test_an_owner_deletes_it_on_its_page(client: Client) -> None:
    apply(declared())
    client.force_login(person(Role.OWNER, "ow"))
    assert "Delete…" in client.get("/runbooks/pool-full/").content.decode()
    answer = client.post("/runbooks/pool-full/delete/", {"reason": "not needed"}, follow=True)
    assert "was deleted by ow" in answer.content.decode()
    assert client.get("/runbooks/pool-full/").status_code == 404
    assert "deleted" in client.get("/runbooks/pool-full/history/").content.decode()


def test_the_api_lists_declares_and_deletes(client: Client) -> None:
    world()
    owner, api = bearer(Role.OWNER), "/api/v1/runbooks"
    bad = {"source": written(remedy="other").source}
    told = client.put(f"{api}/pool-full", bad, content_type="application/json", headers=owner).json()
    assert {"field": "remedy", "message": "is one of tight"} in told["errors"]
    good = {"source": written().source, "reason": "ours"}
    made = client.put(f"{api}/pool-full", good, content_type="application/json", headers=owner).json()
    assert (made["version"], made["source"], made["modes"][0]["mode"]) == (1, good["source"], "observe")
    every = {row["slug"]: row["version"] for row in client.get(api, headers=owner).json()}
    assert (every["pool-full"], every["retry-storm"]) == (1, None)
    gone = client.post(
        f"{api}/pool-full/delete", {"reason": "x"}, content_type="application/json", headers=owner
    )
    assert [row["gone"] for row in gone.json()] == [True, False]
    assert client.get(f"{api}/pool-full", headers=owner).status_code == 404
