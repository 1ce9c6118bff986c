"""Rollouts from files and pipelines: the examples of docs/pipelines.md are run as they stand there."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from access.domain.roles import Role
from canary.models import Rollout
from tests.canary.factories import World, state
from tests.support.people import bearer, token
from tests.support.processes import wait_until

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "pipelines.md"
FILE = """
rollout:
  key: ${BUILD:-build-7}
  route: edge/shop
  upstream: shop-v2
  mode: auto
  plan: {steps: [500, 5000], warm_up: 0, bake: {seconds: 0}}
"""


def example(name: str) -> str:
    """The text of the documented file of that name."""
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.S)
    return next(block for block in blocks if block.startswith(f"# {name}\n"))


@pytest.fixture
def world() -> World:
    return World(per_second=4000)


def apply(*args: str) -> str:
    out = StringIO()
    call_command("rollout", "apply", *args, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_a_file_starts_its_rollout_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rollout.yaml"
    file.write_text(FILE)
    assert "shop-v2 on edge/shop is running at 5 %" in apply(str(file))
    assert json.loads(apply(str(file), "--json"))["key"] == "build-7"
    assert Rollout.objects.get().key == "build-7"
    monkeypatch.setenv("BUILD", "build-8")
    with pytest.raises(SystemExit):
        apply(str(file))
    assert "rollout" in apply(str(file), "--key", "build-7")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "the file must hold one mapping"),
        ("rollout: {}", "rollout.key: is missing"),
        ("rollout: {key: a, route: shop, upstream: shop-v2, plan: {steps: [5, 1]}}", "rollout.plan.steps: "),
        ("rollout: {key: a, route: shop, upstream: shop-v9}", "rollout.upstream: "),
        ("rollout: {key: a, route: nowhere, upstream: shop-v2}", "rollout.route: "),
        ("rollout: {key: a, route: shop, upstream: shop-v2, mood: auto}", "rollout.mood: unknown key"),
        ("rollout: {key: a, route: shop, upstream: shop-v2}\nmore: 1", "more: unknown key"),
        ("rollout: {key: a, key: b, route: shop, upstream: shop-v2}", "'key' stands twice"),
        ("rollout: {key: '${NO_SUCH_NAME}', route: shop, upstream: shop-v2}", "rollout.key: the variable"),
        (
            "rollout: {key: a, route: shop, upstream: shop-v2, plan: {hooks: [{name: a, url: x, secret: ci}]}}",
            "rollout.plan.hooks.0.url: ",
        ),
    ],
)
def test_a_mistake_in_a_file_names_its_path(
    world: World, tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rollout.yaml"
    file.write_text(text)
    with pytest.raises(SystemExit) as caught:
        apply(str(file))
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
    assert not Rollout.objects.exists()


def post(client: Client, text: str, key: str = "", role: Role = Role.OPERATOR) -> Any:
    path = f"/api/v1/rollouts/apply?key={key}"
    return client.post(path, text, content_type="application/yaml", headers=bearer(role))


@pytest.mark.django_db
def test_the_api_takes_the_file_and_tells_each_path(world: World, client: Client) -> None:
    wrong = post(client, "rollout: {route: shop, upstrem: shop-v2}")
    assert wrong.status_code == 422
    fields = {error["field"] for error in wrong.json()["errors"]}
    assert fields == {"rollout.key", "rollout.upstream", "rollout.upstrem"}


@pytest.mark.django_db
def test_the_api_answers_a_key_with_its_rollout(world: World, client: Client) -> None:
    headers = bearer(Role.OPERATOR)
    send: dict[str, Any] = {"content_type": "application/yaml", "headers": headers}
    first = client.post("/api/v1/rollouts/apply?key=one", FILE, **send)
    again = client.post("/api/v1/rollouts/apply?key=one", FILE, **send)
    other = client.post("/api/v1/rollouts/apply?key=two", FILE, **send)
    assert first.json()["id"] == again.json()["id"]
    assert (first.json()["exit_code"], other.status_code) == (None, 409)
    assert other.json()["errors"][0]["field"] == "rollout.route"


@pytest.mark.django_db
def test_the_service_s_environment_is_not_read_through_the_api(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD", "a secret of the server")
    assert post(client, FILE).json()["key"] == "build-7"


@pytest.mark.django_db
def test_a_viewer_starts_nothing(world: World, client: Client) -> None:
    assert post(client, FILE, role=Role.VIEWER).status_code == 403


@pytest.fixture
def job(live_server: LiveServer, tmp_path: Path) -> "Job":
    world = World(per_second=4000)
    world.now = datetime.now(UTC)
    (tmp_path / "rollout.yaml").write_text(example("rollout.yaml"))
    environment = {
        "PATH": os.environ["PATH"],
        "SLUICE_URL": live_server.url,
        "SLUICE_TOKEN": token(Role.OPERATOR),
        "KEY": "shop-0123456789abcdef",
        "EVERY": "0.1",
    }
    return Job(world, tmp_path, environment)


class Job:
    """A pipeline's job in its folder, beside a world that goes on."""

    def __init__(self, world: World, folder: Path, environment: dict[str, str]) -> None:
        self.world, self.folder, self.environment = world, folder, environment

    @contextmanager
    def shell(self, lines: str, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """The lines in a shell that ends at the first error, as the runners start it."""
        started = subprocess.Popen(
            [*argv, lines],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield started
        finally:
            started.kill()
            started.communicate(timeout=10)

    def run(self, lines: str, *argv: str) -> tuple[int, str]:
        with self.shell(lines, *argv) as started:
            said, _ = started.communicate(timeout=30)
            return started.returncode, said


def actions() -> dict[str, str]:
    steps = yaml.safe_load(example(".github/workflows/rollout.yaml"))["jobs"]["rollout"]["steps"]
    return {step["name"]: step["run"] for step in steps if "run" in step}


BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
SH = ("sh", "-e", "-c")


@pytest.mark.real
@pytest.mark.django_db(transaction=True)
def test_the_example_for_github_actions_ends_with_0_when_the_canary_is_promoted(job: Job) -> None:
    code, said = job.run(actions()["start"], *BASH)
    assert (code, "rollout " in said) == (0, True), said
    number = Rollout.objects.get().pk
    assert job.run(actions()["start"], *BASH)[0] == 0
    assert Rollout.objects.count() == 1
    with job.shell(actions()["wait"], *BASH) as waiting:
        assert job.world.run(900, until=lambda: state(number) == "promoted")
        said, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, said
    assert "promoted at 100 %" in said


@pytest.mark.real
@pytest.mark.django_db(transaction=True)
def test_the_example_for_github_actions_rolls_back_when_it_is_cancelled(job: Job) -> None:
    job.run(actions()["start"], *BASH)
    code, said = job.run(actions()["roll back"], *BASH)
    assert code == 0, said
    number = Rollout.objects.get().pk
    assert job.world.run(10, until=lambda: state(number) == "rolled_back")
    assert job.run(actions()["wait"], *BASH)[0] == 1


@pytest.mark.real
@pytest.mark.django_db(transaction=True)
def test_the_example_for_gitlab_ends_with_1_when_the_canary_is_rolled_back(job: Job) -> None:
    script = yaml.safe_load(example(".gitlab-ci.yml"))["rollout"]["script"]
    job.world.fails["shop-v2"] = 0.5
    with job.shell("\n".join(script), *SH) as running:
        wait_until(Rollout.objects.exists, timeout=20, what="the rollout to start")
        number = Rollout.objects.get().pk
        assert job.world.run(60, until=lambda: state(number) == "rolled_back")
        said, _ = running.communicate(timeout=30)
    assert running.returncode == 1, said


@pytest.mark.real
@pytest.mark.django_db(transaction=True)
def test_the_manual_job_for_gitlab_rolls_back_what_goes_on(job: Job) -> None:
    jobs = yaml.safe_load(example(".gitlab-ci.yml"))
    script = "\n".join(jobs["roll back"]["script"])
    assert job.run(script, *SH)[0] == 2
    job.run(jobs["rollout"]["script"][0], *SH)
    number = Rollout.objects.get().pk
    code, said = job.run(script, *SH)
    assert code == 0, said
    assert job.world.run(10, until=lambda: state(number) == "rolled_back")


@pytest.mark.real
@pytest.mark.django_db(transaction=True)
def test_the_examples_end_with_2_and_say_why_where_nothing_can_start(job: Job) -> None:
    (job.folder / "rollout.yaml").write_text("rollout: {route: nowhere, upstream: shop-v2}")
    code, said = job.run(actions()["start"], *BASH)
    assert code == 2
    assert "rollout.route: " in said
