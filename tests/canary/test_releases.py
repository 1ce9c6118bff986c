"""Releases: waves begin one after another, a failing rollout takes its wave back, and people steer all of it."""

from collections.abc import Callable, Collection
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client

import proxy.selectors
import proxy.services
from access.domain.roles import Role
from audit.selectors import entries
from canary import releases, services
from canary.domain import waves
from canary.domain.declared import BadFile
from canary.domain.declared import text as declared_text
from canary.domain.errors import KeyReused, NotNow, Refused
from canary.domain.states import WrongState
from canary.models import Release, Rollout
from canary.services import starting
from proxy.domain.errors import ProxyError
from tests.canary.factories import ANN, PROXIES, World
from tests.canary.test_pipelines import example
from tests.proxy.factories import document
from tests.support.people import bearer, person
from tests.support.rivals import Rival, two_writers

pytestmark = pytest.mark.django_db
PLAN: dict[str, Any] = {"steps": [5000], "warm_up": 0, "push_deadline": 5, "bake": {"seconds": 0}}
ROUTES = ("shop", "cart", "search")


class Fleet(World):
    """Three routes over the same two upstreams; `broken` are those whose canary fails."""

    def __init__(self) -> None:
        super().__init__(per_second=4000)
        routes = [
            {"name": name, "hosts": [f"{name}.test"], "split": {"shop-v1": 10000, "shop-v2": 0}}
            for name in ROUTES
        ]
        declared = document(routes=[*routes, document()["tiers"][0]["routes"][1]])
        proxy.services.apply(document=declared, by=ANN, reason="three routes", now=self.now)
        self.broken: set[str] = set()

    def scrape(self, missed: Collection[str] = ()) -> None:
        for route in ROUTES[1:]:
            self._serves(route)
            for name, address in PROXIES.items():
                for arm, weight in (self.admin.weights(address, route) or {}).items():
                    self._serve_arm(name, arm, round(self.per_second * weight / 10_000))
        self._serves(ROUTES[0])
        super().scrape(missed)

    def _serves(self, route: str) -> None:
        self.route, self.fails["shop-v2"] = route, 0.5 if route in self.broken else 0.0

    def _count(self, name: str, metric: str, more: int, **labels: str) -> None:
        super()._count(name, metric, more, **{"route": self.route, **labels})

    def tick(self, at: float = 0.95) -> None:
        super().tick(at)
        services.tick_releases(now=self.now)

    def begin(self, **changes: Any) -> int:
        return services.release(document=declared(**changes), by=ANN, now=self.now)

    def states(self, number: int) -> list[str]:
        return [one.state for wave in releases.release(number).waves for one in wave.members]

    def canaries(self) -> list[int]:
        desired = proxy.selectors.desired("edge", now=self.now)
        found = [desired.route(name) for name in ROUTES]
        return [route.split.get("shop-v2", 0) for route in found if route is not None]


def declared(**changes: Any) -> dict[str, Any]:
    release = {
        "key": "shop-build-7",
        "mode": "auto",
        "on_failure": "keep",
        "plan": PLAN,
        "waves": [
            {"name": "first", "rollouts": [{"route": "edge/shop", "upstream": "shop-v2"}]},
            {
                "name": "rest",
                "rollouts": [
                    {"route": "edge/cart", "upstream": "shop-v2"},
                    {"route": "edge/search", "upstream": "shop-v2"},
                ],
            },
        ],
    }
    return {"release": deepcopy({**release, **changes})}


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def is_(number: int, state: str) -> Callable[[], bool]:
    return lambda: Release.objects.get(pk=number).state == state


def test_a_wave_begins_when_each_of_the_one_before_is_promoted_and_baked(fleet: Fleet) -> None:
    number = fleet.begin(plan={**PLAN, "bake": {"seconds": 20}})
    fleet.run(2)
    assert fleet.states(number) == ["running", "waiting", "waiting"]
    assert fleet.run(200, until=lambda: fleet.states(number)[0] == "baking")
    assert fleet.states(number)[1:] == ["waiting", "waiting"]
    assert fleet.run(200, until=lambda: fleet.states(number)[1] == "running")
    assert fleet.states(number) == ["promoted", "running", "running"]
    assert fleet.run(200, until=is_(number, "promoted"))
    assert fleet.canaries() == [10000, 10000, 10000]
    assert len(entries(action="release.next_wave")) == len(entries(action="release.finish")) == 1
    row = releases.release(number)
    assert [(one.verified, one.proxies) for wave in row.waves for one in wave.members] == [(2, 2)] * 3


@pytest.mark.parametrize(("on_failure", "left"), [("keep", [10000, 0, 0]), ("roll_back", [0, 0, 0])])
def test_a_failing_rollout_takes_its_wave_back_and_the_waves_before_as_declared(
    fleet: Fleet, on_failure: str, left: list[int]
) -> None:
    number = fleet.begin(on_failure=on_failure)
    assert fleet.run(200, until=lambda: fleet.states(number)[2] == "running")
    fleet.broken = {"search"}
    assert fleet.run(60, until=is_(number, "rolled_back"))
    assert fleet.canaries() == left
    assert "shop-v2 on edge/search went back" in Release.objects.get().reason
    assert entries(action="release.fail")[0].actor == "waves"


def test_a_failure_undoes_what_its_wave_has_promoted_already(fleet: Fleet) -> None:
    number = fleet.begin()
    assert fleet.run(200, until=lambda: fleet.states(number)[2] == "running")
    slow = Rollout.objects.get(route_name="search")
    services.pause(rollout_id=slow.pk, by=ANN, now=fleet.now)
    assert fleet.run(200, until=lambda: fleet.states(number)[1] == "promoted")
    services.rollback(rollout_id=slow.pk, by=ANN, now=fleet.now)
    assert fleet.run(60, until=is_(number, "rolled_back"))
    assert fleet.canaries() == [10000, 0, 0]


def test_a_pause_holds_the_rollouts_and_the_next_wave_until_it_is_resumed(fleet: Fleet) -> None:
    number = fleet.begin()
    fleet.run(2)
    services.act_on_release(release_id=number, event="pause", by=ANN, reason="lunch", now=fleet.now)
    fleet.run(60)
    assert fleet.states(number) == ["paused", "waiting", "waiting"]
    assert releases.release(number).asks
    services.act_on_release(release_id=number, event="resume", by=ANN, now=fleet.now)
    assert fleet.run(300, until=is_(number, "promoted"))


def test_a_failing_rollout_goes_back_though_its_release_is_paused(fleet: Fleet) -> None:
    number = fleet.begin()
    fleet.run(2)
    services.act_on_release(release_id=number, event="pause", by=ANN, now=fleet.now)
    fleet.broken = {"shop"}
    assert fleet.run(60, until=is_(number, "rolled_back"))


def test_a_person_takes_back_every_wave(fleet: Fleet) -> None:
    number = fleet.begin()
    assert fleet.run(200, until=lambda: fleet.states(number)[2] == "running")
    services.act_on_release(release_id=number, event="roll_back", by=ANN, reason="enough", now=fleet.now)
    assert fleet.run(60, until=is_(number, "rolled_back"))
    assert fleet.canaries() == [0, 0, 0]
    with pytest.raises(WrongState):
        services.act_on_release(release_id=number, event="resume", by=ANN, now=fleet.now)


def test_a_resume_of_the_release_lifts_no_pause_of_a_rollout_s_own(fleet: Fleet) -> None:
    number = fleet.begin(waves=[declared()["release"]["waves"][1]])
    fleet.run(2)
    cart = Rollout.objects.get(route_name="cart")
    services.pause(rollout_id=cart.pk, by=ANN, reason="slow", now=fleet.now)
    for event in ("pause", "resume"):
        services.act_on_release(release_id=number, event=event, by=ANN, now=fleet.now)
    assert fleet.states(number) == ["paused", "running"]


def test_a_close_leaves_no_rollout_going_on_by_itself(fleet: Fleet) -> None:
    number = fleet.begin()
    assert fleet.run(200, until=lambda: fleet.states(number)[2] == "running")
    services.act_on_release(release_id=number, event="roll_back", by=ANN, now=fleet.now)
    with pytest.raises(NotNow, match="not on its way back yet"):
        services.act_on_release(release_id=number, event="close", by=ANN, now=fleet.now)
    services.tick_releases(now=fleet.now)
    services.act_on_release(release_id=number, event="close", by=ANN, now=fleet.now)
    assert fleet.run(30, until=lambda: fleet.canaries() == [0, 0, 0])


def test_an_approval_of_the_release_is_one_of_each_rollout_that_waits(fleet: Fleet) -> None:
    number = fleet.begin(mode="approve", waves=[declared()["release"]["waves"][1]])
    with pytest.raises(Refused):
        services.approve_release(release_id=number, by=ANN, now=fleet.now)
    assert fleet.run(200, until=lambda: fleet.states(number) == ["awaiting_approval"] * 2)
    assert releases.release(number).actions[0] == "approve"
    assert services.approve_release(release_id=number, by=ANN, now=fleet.now) == 2
    assert fleet.run(30, until=is_(number, "promoted"))


def test_what_is_in_the_way_of_a_member_is_told_and_tried_again(fleet: Fleet) -> None:
    number = fleet.begin()
    other = fleet.start(route="cart", plan={**PLAN, "longest_stay": 9000}, mode="approve")
    assert fleet.run(200, until=lambda: releases.release(number).waves[1].members[1].state == "running")
    fleet.run(3)
    blocked = releases.release(number)
    assert f"has rollout {other}" in blocked.waves[1].members[0].problem
    assert blocked.asks
    services.rollback(rollout_id=other, by=ANN, now=fleet.now)
    assert fleet.run(300, until=is_(number, "promoted"))


def test_a_member_that_the_tier_refuses_holds_up_no_other(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = starting.start

    def refused(**asked: Any) -> int:
        if asked["route"] == "edge/cart":
            raise ProxyError("its table is too large")
        return start(**asked)

    monkeypatch.setattr(starting, "start", refused)
    number = fleet.begin()
    assert fleet.run(400, until=lambda: fleet.states(number)[2] == "promoted")
    cart = releases.release(number).waves[1].members[0]
    assert (cart.rollout_id, cart.problem) == (None, "the tier refuses it: its table is too large")


def test_a_key_begins_a_release_once(fleet: Fleet) -> None:
    assert fleet.begin() == fleet.begin()
    with pytest.raises(KeyReused):
        fleet.begin(on_failure="roll_back")
    fleet.run(3)
    assert Rollout.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"on_failure": "ignore"}, "release.on_failure"),
        ({"waves": []}, "release.waves"),
        ({"waves": [{"name": "a", "rollouts": [{"route": "shop"}]}]}, "release.waves.0.rollouts.0.upstream"),
        ({"wave": 1}, "release.wave"),
    ],
)
def test_a_mistake_in_the_file_names_its_path(fleet: Fleet, change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadFile) as caught:
        fleet.begin(**change)
    assert field in [path for path, _ in caught.value.errors]
    assert not Release.objects.exists()


@pytest.mark.parametrize(
    ("member", "field"),
    [
        ({"route": "edge/nowhere"}, "release.waves.1.rollouts.0.route"),
        ({"upstream": "shop-v9"}, "release.waves.1.rollouts.0.upstream"),
        ({"plan": {"steps": [5, 1]}}, "release.waves.1.rollouts.0.plan.steps"),
        ({"route": "shop"}, "release.waves.1.rollouts.0.route"),
    ],
)
def test_every_member_is_checked_before_anything_begins(
    fleet: Fleet, member: dict[str, Any], field: str
) -> None:
    given = declared()["release"]["waves"]
    given[1]["rollouts"][0].update(member)
    with pytest.raises(Refused) as caught:
        fleet.begin(waves=given)
    assert caught.value.field == field
    assert not Release.objects.exists()


def test_a_mistake_in_the_common_plan_is_named_where_it_stands(fleet: Fleet) -> None:
    with pytest.raises(Refused) as caught:
        fleet.begin(plan={"steps": [5, 1]})
    assert caught.value.field == "release.plan.steps"


def test_the_command_and_the_api_tell_pipelines_how_it_ended(
    fleet: Fleet, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "release.yaml"
    file.write_text(str(declared()))
    out = StringIO()
    call_command("release", "apply", str(file), stdout=out)
    number = Release.objects.get().pk
    assert "* first: shop-v2 on edge/shop, waiting" in out.getvalue()
    headers = bearer(Role.OPERATOR)
    assert client.get(f"/api/v1/releases/{number}", headers=headers).json()["exit_code"] is None
    act: dict[str, Any] = {"content_type": "application/json", "headers": headers}
    assert client.post(f"/api/v1/releases/{number}/pause", {}, **act).json()["exit_code"] == 2
    patient = client.get(f"/api/v1/releases/{number}?patient=true", headers=headers).json()
    assert patient["exit_code"] is None
    assert client.post(f"/api/v1/releases/{number}/pause", {}, **act).status_code == 409
    call_command("release", "rollback", str(number), stdout=out)
    fleet.run(5)
    with pytest.raises(SystemExit) as ended:
        call_command("release", "wait", str(number), stdout=out)
    assert ended.value.code == 1
    again = client.post(
        "/api/v1/releases/apply", str({"release": {}}), **{**act, "content_type": "application/yaml"}
    )
    assert again.status_code == 422
    assert "release.key" in {one["field"] for one in again.json()["errors"]}


def test_approvals_of_a_release_wait_while_it_is_paused(fleet: Fleet, client: Client) -> None:
    number = fleet.begin(mode="approve")
    assert fleet.run(60, until=lambda: fleet.states(number)[0] == "awaiting_approval")
    services.act_on_release(release_id=number, event="pause", by=ANN, now=fleet.now)
    act: dict[str, Any] = {"content_type": "application/json", "headers": bearer(Role.OPERATOR)}
    assert client.post(f"/api/v1/releases/{number}/approve", {}, **act).status_code == 409
    assert fleet.canaries()[0] == 5000


def test_nothing_to_approve_is_a_conflict(fleet: Fleet, client: Client) -> None:
    number = fleet.begin(mode="approve")
    act: dict[str, Any] = {"content_type": "application/json", "headers": bearer(Role.OPERATOR)}
    assert client.post(f"/api/v1/releases/{number}/approve", {}, **act).status_code == 409


def test_the_page_shows_the_waves_and_takes_actions(fleet: Fleet, client: Client) -> None:
    number = fleet.begin()
    assert fleet.run(20, until=lambda: releases.release(number).waves[0].members[0].verified == 2)
    client.force_login(person(Role.OPERATOR))
    page = client.get(f"/releases/{number}/").content.decode()
    assert "2 of 2" in page
    assert "edge / search" in page
    member = releases.release(number).waves[0].members[0].rollout_id
    assert f'href="/releases/{number}/"' in client.get(f"/rollouts/{member}/").content.decode()
    client.post(f"/releases/{number}/pause/", {"reason": "lunch"})
    assert "pause by operator: lunch" in client.get(f"/releases/{number}/live/").content.decode()
    assert "shop-build-7" in client.get("/releases/").content.decode()


def test_the_queries_of_a_page_do_not_grow_with_the_members(
    fleet: Fleet, django_assert_max_num_queries: Any
) -> None:
    fleet.begin()
    fleet.run(3)
    with django_assert_max_num_queries(2):
        releases.releases()


def test_the_documented_release_is_one() -> None:
    text = example("release.yaml")
    found = waves.read(declared_text(text, environment={}))
    assert [wave.name for wave in found.waves] == ["first", "rest"]
    assert [found.mode, found.waves[1].rollouts[1].mode] == ["auto", "approve"]


@two_writers
@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_wins_and_the_other_is_told() -> None:
    fleet = Fleet()
    number = fleet.begin()
    fleet.run(2)

    def steer() -> None:
        services.act_on_release(release_id=number, event="pause", by=ANN, now=fleet.now)

    rival = Rival(steer)
    with transaction.atomic():
        steer()
        rival.start()
        rival.until_it_waits()
    assert isinstance(rival.ended(), WrongState)
    assert len(entries(action="release.pause")) == 1
