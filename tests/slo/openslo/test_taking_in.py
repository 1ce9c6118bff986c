"""OpenSLO in and out of the tiers, by the command line and the API."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

import proxy.services
from access.domain.roles import Role
from audit.models import Entry
from proxy import bases, models
from proxy.domain.errors import Overtaken
from slo import openslo
from slo.domain.objectives import of_tier
from slo.domain.openslo.write import render
from telemetry import ports
from telemetry.memory import InMemoryMetrics
from telemetry.prometheus import Prometheus
from tests.proxy.factories import document, tier
from tests.slo.openslo.files import GOOD, TOTAL, slo
from tests.slo.openslo.test_round_trip import EVERY_KIND
from tests.support.people import BY, bearer
from tests.support.prometheus import History, prometheus

pytestmark = [pytest.mark.django_db, pytest.mark.real]
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OWN = [one for one in EVERY_KIND if one["kind"] not in ("ratio", "gauge", "total_latency")]
MORE = {"name": "more", "kind": "first_attempts", "route": "shop", "target": 99}


@pytest.fixture(autouse=True)
def metrics(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetrics:
    """Instead of a Prometheus whose retention would be asked for."""
    found = InMemoryMetrics()
    found.kept = timedelta(days=100)
    monkeypatch.setattr(ports, "from_settings", lambda **_: found)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "objectives.yaml"


def declare(*objectives: dict[str, Any], **changes: Any) -> None:
    made = document(objectives=list(objectives), **changes)
    proxy.services.apply(document=made, by=BY, reason="first", now=NOW)


def run(*argv: object) -> tuple[str, str]:
    """What the command prints, and what it points out."""
    out, errors = io.StringIO(), io.StringIO()
    call_command("objectives", *map(str, argv), stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


def refused(*argv: object) -> list[str]:
    """The lines of a command that must end with 2."""
    errors = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("objectives", *map(str, argv), stdout=io.StringIO(), stderr=errors)
    assert ended.value.code == 2
    return errors.getvalue().splitlines()


def names() -> list[str]:
    return [one.name for one in of_tier(bases.base("edge").tier)]


def test_an_export_that_is_unchanged_changes_nothing(file: Path) -> None:
    declare(*OWN)
    file.write_text(run("export")[0])

    assert run("import", "--plan", file) == ("no difference\n", "")
    assert run("import", file) == ("no difference\n", "")
    assert models.Revision.objects.count() == 1


def test_defaults_that_come_back_stay_undeclared(file: Path) -> None:
    declare()
    file.write_text(run("export", "edge")[0])

    assert run("import", file) == ("no difference\n", "")


def test_what_another_tier_takes_in_it_gives_out_to_the_byte(file: Path) -> None:
    declare(*OWN)
    file.write_text(run("export")[0])
    declare(MORE)

    assert "tier edge: revision 3" in run("import", "--replace", file)[0]
    assert run("export")[0] == file.read_text()


def test_a_plan_tells_each_change_and_writes_nothing(file: Path) -> None:
    declare(*OWN)
    text = run("export")[0]
    file.write_text(text.replace("target: 0.9995", "target: 0.999", 1))

    assert run("import", "--plan", file)[0] == "~ objective proxy: target: 99.95 -> 99.9\n1 change\n"
    assert models.Revision.objects.count() == 1


def test_an_import_is_a_revision_with_its_actor_and_reason(file: Path) -> None:
    declare(*OWN)
    file.write_text(render(of_tier(tier(objectives=[MORE]))))

    run("import", file, "--by", "ann", "--reason", "for the shop")

    entry = Entry.objects.filter(action="tier.published").latest("pk")
    assert (entry.actor, entry.reason, entry.detail["revision"]) == ("ann", "for the shop", 2)
    assert names() == [*(one["name"] for one in OWN), "more"]


def test_all_mistakes_are_told_where_the_file_has_them_and_nothing_is_written(file: Path) -> None:
    declare(*OWN)
    wrong = {"name": "gone", "kind": "route_availability", "route": "gone", "target": 99.9}
    text = render(of_tier(tier(objectives=[MORE, wrong])))
    file.write_text(text)

    lines = refused("import", file)

    assert any(line.startswith("SLO[gone].metadata.annotations.sluice/route: ") for line in lines)
    assert models.Revision.objects.count() == 1


def test_a_target_that_nothing_can_defend_is_told_where_the_file_has_it(file: Path) -> None:
    declare(*OWN)
    file.write_text(render(of_tier(tier(objectives=[MORE]))).replace("target: 0.99", "target: 0.4"))

    assert refused("import", file)[0].startswith("SLO[more].spec.objectives[0].target: no page can")


def test_promql_of_others_is_asked_of_prometheus_first(file: Path, metrics: InMemoryMetrics) -> None:
    declare(*OWN)
    file.write_text(slo())
    metrics.answer(f"sum(rate({TOTAL}[1m]))", [({}, 5.0)])
    metrics.answer(f"sum(rate({GOOD}[1m]))", [])

    (line,) = refused("import", file)

    query = "metricSource.spec.query: it finds nothing now"
    assert line.startswith(f"SLO[mail].spec.indicator.spec.ratioMetric.good.{query}")


def test_a_file_of_another_tool_becomes_an_objective_with_what_is_lost_told(
    file: Path, metrics: InMemoryMetrics
) -> None:
    declare(*OWN)
    metrics.otherwise([({}, 5.0)])
    file.write_text(slo(metadata={"labels": {"env": "prod"}}, service="mail"))

    out, told = run("import", file)

    assert "tier edge: revision 2" in out
    assert names()[-1] == "mail"
    assert [line.split(": ")[1] for line in told.splitlines() if line.startswith("note: ")] == [
        "SLO[mail].metadata.labels.env",
        "SLO[mail].spec.alertPolicies",
        "SLO[mail].spec.indicator.spec.ratioMetric.good.metricSource.spec.query",
        "SLO[mail].spec.indicator.spec.ratioMetric.total.metricSource.spec.query",
        "SLO[mail].spec.service",
    ]


def test_a_service_that_is_no_tier_needs_one_to_be_named(file: Path) -> None:
    declare()
    proxy.services.apply(document=document(name="other"), by=BY, reason="", now=NOW)
    text = render(of_tier(tier(objectives=[MORE])))
    file.write_text(text.replace("service: edge", "service: shop"))

    assert refused("import", file) == [
        "SLO[more].spec.service: the service shop is no tier: name the tier with --tier (edge, other)"
    ]
    assert (
        "SLO[more].spec.service: shop is not kept: it goes to the tier edge"
        in run("import", "--plan", "--tier", "edge", file)[1]
    )


def test_a_file_or_tier_that_is_not_there_is_told(file: Path) -> None:
    assert refused("import", file) == [f"{file}: No such file or directory"]
    assert "nowhere" in refused("export", "nowhere")[0]


class Racing(InMemoryMetrics):
    """While it is asked, somebody else publishes."""

    def retention(self) -> timedelta:
        declare(*OWN[:2])
        return timedelta(days=100)


def test_what_was_published_meanwhile_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(*OWN)
    monkeypatch.setattr(ports, "from_settings", lambda **_: Racing())

    with pytest.raises(Overtaken):
        openslo.take_in(render(of_tier(tier(objectives=[MORE]))), by=BY, reason="", now=NOW)

    assert names() == ["proxy", "shop"]


class TestTheApi:
    """The same over HTTP."""

    def post(self, client: Client, role: Role, **body: Any) -> Any:
        path, kind = "/api/v1/objectives/openslo", "application/json"
        return client.post(path, {"reason": "test", **body}, content_type=kind, headers=bearer(role))

    def test_gives_the_objectives_as_yaml(self, client: Client) -> None:
        declare(*OWN)
        answer = client.get("/api/v1/objectives/openslo?tier=edge", headers=bearer(Role.VIEWER))
        assert answer["Content-Type"] == "application/yaml"
        assert answer.content.decode() == openslo.exported("edge")

    def test_takes_them_from_an_owner(self, client: Client) -> None:
        declare(*OWN)
        text = render(of_tier(tier(objectives=[MORE])))

        assert self.post(client, Role.OPERATOR, openslo=text).status_code == 403
        answer = self.post(client, Role.OWNER, openslo=text)

        assert answer.json()["revisions"] == {"edge": 2}
        assert names()[-1] == "more"

    def test_names_what_cannot_be_expressed(self, client: Client) -> None:
        declare(*OWN)
        answer = self.post(client, Role.OWNER, openslo=slo(budgetingMethod="Timeslices"))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "SLO[mail].spec.budgetingMethod"


def test_every_query_that_is_written_is_promql(tmp_path: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    history = [History("mails_total", {"state": "lost"}, [(at, 1.0)])]
    found = [one for one in yaml.safe_load_all(openslo_of(EVERY_KIND)) if one["kind"] == "SLO"]

    with prometheus(tmp_path, history=history) as running:
        client = Prometheus(running.url, timeout=5.0)
        for one in found:
            for query in queries(one["spec"]["indicator"]):
                client.vector(query, at=at)
        client.close()


def openslo_of(declared: Any) -> str:
    return render(of_tier(tier(objectives=list(declared))))


def queries(node: Any) -> list[str]:
    """Every query below."""
    if not isinstance(node, dict):
        return []
    below = [query for value in node.values() for query in queries(value)]
    return [node["query"], *below] if "query" in node else below
