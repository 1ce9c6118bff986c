"""Dry runs of files, and what commands print for pipelines: an object each, and nothing written by a look."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

import proxy.selectors
from access.domain.roles import Role
from audit.selectors import entries
from canary.models import Release, Rollout
from tests.canary.factories import World
from tests.canary.test_releases import Fleet, declared
from tests.support.people import bearer

pytestmark = pytest.mark.django_db
ROLLOUT: dict[str, Any] = {
    "rollout": {"key": "build-7", "route": "edge/shop", "upstream": "shop-v2", "plan": {"steps": [500, 5000]}}
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def run(command: str, *args: str) -> str:
    out = StringIO()
    call_command(command, *args, stdout=out)
    return out.getvalue()


def ends(command: str, *args: str) -> tuple[object, str]:
    """Exit code and what was printed."""
    out = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command(command, *args, stdout=out)
    return caught.value.code, out.getvalue()


def written(folder: Path, document: dict[str, Any]) -> str:
    file = folder / "declared.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


def nothing_happened(generation: int) -> bool:
    kept = Rollout.objects.exists() or Release.objects.exists() or entries(action="rollout.")
    return not kept and proxy.selectors.generation("edge") == generation


def test_a_dry_run_of_a_rollout_s_file_prints_plan_and_changes_and_writes_nothing(
    world: World, tmp_path: Path
) -> None:
    generation = proxy.selectors.generation("edge")
    said = run("rollout", "apply", written(tmp_path, ROLLOUT), "--dry-run")
    assert said.startswith("Nothing was changed.\nshop-v2 on edge/shop, mode approve\n")
    assert "step at 5 %, on edge-1, edge-2: shop-v1 100 %, shop-v2 0 % -> shop-v1 95 %, shop-v2 5 %" in said
    assert '"longest_stay": 1800.0' in said
    found = json.loads(run("rollout", "apply", written(tmp_path, ROLLOUT), "--dry-run", "--json"))
    assert (found["key"], found["known"], found["rehearsal"]["held"]) == ("build-7", None, "")
    assert [step["weight"] for step in found["rehearsal"]["steps"]] == [500, 5000, 10000]
    assert found["rehearsal"]["changes"]
    assert nothing_happened(generation)


def test_a_dry_run_names_what_the_key_began_already(world: World, tmp_path: Path) -> None:
    file = written(tmp_path, ROLLOUT)
    number = json.loads(run("rollout", "apply", file, "--json"))["id"]
    assert f"The key build-7 began rollout {number} already" in run("rollout", "apply", file, "--dry-run")
    assert json.loads(run("rollout", "apply", file, "--dry-run", "--json"))["known"] == number


def test_a_dry_run_ends_with_2_and_the_path_of_what_is_wrong(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"rollout": {**ROLLOUT["rollout"], "plan": {"steps": [500, 5]}}}
    assert ends("rollout", "apply", written(tmp_path, wrong), "--dry-run") == (2, "")
    assert capsys.readouterr().err.startswith("rollout.plan.steps: ")


def test_a_dry_run_of_a_release_shows_each_rollout_of_each_wave_and_writes_nothing(
    fleet: Fleet, tmp_path: Path
) -> None:
    generation = proxy.selectors.generation("edge")
    file = written(tmp_path, declared())
    said = run("release", "apply", file, "--dry-run")
    assert "Wave 1 of 2, first:\n  shop-v2 on edge/shop, mode auto\n" in said
    assert "Wave 2 of 2, rest:\n  shop-v2 on edge/cart, mode auto\n" in said
    found = json.loads(run("release", "apply", file, "--dry-run", "--json"))
    assert [[one["route"] for one in wave["rollouts"]] for wave in found["waves"]] == [
        ["shop"],
        ["cart", "search"],
    ]
    assert nothing_happened(generation)


def test_a_rollout_that_lives_on_a_later_wave_s_route_is_told_and_refuses_nothing(
    fleet: Fleet, tmp_path: Path
) -> None:
    other = fleet.start(route="cart")
    found = json.loads(run("release", "apply", written(tmp_path, declared()), "--dry-run", "--json"))
    assert found["waves"][1]["rollouts"][0]["held"] == f"cart has rollout {other}, which has not ended"
    assert found["waves"][1]["rollouts"][1]["held"] == ""


def test_the_api_has_both_dry_runs(fleet: Fleet, client: Client) -> None:
    generation = proxy.selectors.generation("edge")
    operator = bearer(Role.OPERATOR)

    def post(path: str, document: dict[str, Any]) -> Any:
        sent = yaml.safe_dump(document)
        return client.post(f"/api/v1/{path}", sent, content_type="application/yaml", headers=operator)

    assert post("rollouts/apply/dry-run", ROLLOUT).json()["rehearsal"]["route"] == "shop"
    assert len(post("releases/apply/dry-run", declared()).json()["waves"]) == 2
    refused = post("releases/apply/dry-run", declared(plan={"steps": [5, 1]}))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "release.plan.steps"
    assert nothing_happened(generation)


def test_releases_are_listed_the_newest_first(fleet: Fleet) -> None:
    assert run("release", "list") == "no release yet\n"
    first = fleet.begin()
    second = fleet.begin(key="shop-build-8", waves=declared()["release"]["waves"][1:])
    said = run("release", "list").splitlines()
    assert said[0].startswith(
        f"release {second} (shop-build-8) is running in wave rest, 1 of 1, begun by ann"
    )
    assert said[1].startswith(f"release {first} (shop-build-7) is running in wave first, 1 of 2")
    assert [row["id"] for row in json.loads(run("release", "list", "--json"))] == [second, first]
    assert len(json.loads(run("release", "list", "--json", "--limit", "1"))) == 1


def test_every_verb_that_a_pipeline_uses_prints_an_object(world: World, tmp_path: Path) -> None:
    begun = json.loads(run("rollout", "start", "shop", "shop-v2", "--json", "--key", "build-7"))
    number = str(begun["id"])
    assert json.loads(run("rollout", "pause", number, "--json"))["state"] == "paused"
    code, said = ends("rollout", "wait", number, "--json")
    assert (code, json.loads(said)["exit_code"], json.loads(said)["state"]) == (2, 2, "paused")
    assert json.loads(run("rollout", "rollback", number, "--json"))["state"] == "rolling_back"
    dry = json.loads(run("rollout", "start", "payments", "shop-v2", "--dry-run", "--json"))
    assert dry["route"] == "payments"


def test_every_verb_of_a_release_that_a_pipeline_uses_prints_an_object(fleet: Fleet, tmp_path: Path) -> None:
    begun = json.loads(run("release", "apply", written(tmp_path, declared()), "--json"))
    number = str(begun["id"])
    assert json.loads(run("release", "pause", number, "--json"))["state"] == "paused"
    code, said = ends("release", "wait", number, "--json")
    assert (code, json.loads(said)["exit_code"]) == (2, 2)
    assert json.loads(run("release", "status", number, "--json"))["asks"] is True
