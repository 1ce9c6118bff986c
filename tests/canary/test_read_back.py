"""A step begins with its read-back: what is only acknowledged earns nothing, and holds no rollback up."""

from datetime import datetime

import pytest

import proxy.selectors
import proxy.services
from canary import services
from canary.domain import family
from proxy.memory import InMemoryAdmin
from tests.canary.factories import ANN, PLAN, PROXIES, World, messages, rollout, state

pytestmark = pytest.mark.django_db
# A clean canary earns a step in some ten seconds.
QUICK = {**PLAN, "negligible": 0.02}


class Watched(InMemoryAdmin):
    """Proxies that cannot be read, and how often somebody tried."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def weights(self, address: str, route: str) -> dict[str, int] | None:
        self.asked.append(address)
        return super().weights(address, route)


@pytest.fixture
def world() -> World:
    return World()


def run_other_weights(world: World) -> None:
    """Every proxy acknowledges what is served, and runs 3 % in its place."""
    world.obeys = False
    for address in PROXIES.values():
        world.admin.runs(address, {"shop": {"shop-v1": 9700, "shop-v2": 300}})
    generation = proxy.selectors.generation("edge")
    proxy.services.record_ack(tier="edge", proxies=list(PROXIES), generation=generation, now=world.now)


def test_a_step_begins_when_its_weights_are_read_back_and_not_when_they_are_acknowledged(
    world: World,
) -> None:
    world.read_by = InMemoryAdmin()
    number = world.start(plan=QUICK)
    world.run(40)
    row = rollout(number)
    assert row.push["acked_at"]
    assert (row.state, row.step, row.steps.get().obeyed_at) == ("running", 0, None)
    earned = family.load(row.evidence["family"])["first_attempt"].step
    assert earned.n_c == 0
    assert "acknowledged by every proxy and not read back yet: edge-1 cannot be read" in row.problem
    world.read_by = None
    assert world.run(6, until=lambda: bool(rollout(number).push["verified_at"]))
    read = rollout(number)
    assert read.problem == ""
    assert read.steps.get().obeyed_at == datetime.fromisoformat(read.push["verified_at"])
    assert world.run(30, until=lambda: rollout(number).step == 1)


def test_a_failing_canary_is_rolled_back_before_a_proxy_that_does_not_answer_is_asked(world: World) -> None:
    world.read_by = Watched()
    number = world.start()
    world.run(5)
    world.fails["shop-v2"] = 0.5
    world.works = False
    world.run(8)
    world.read_by.asked.clear()
    world.tick()
    assert state(number) == "rolling_back"
    assert world.read_by.asked == []


def test_proxies_that_cannot_be_read_are_asked_less_and_less_often(world: World) -> None:
    world.read_by = Watched()
    world.start()
    world.run(50)
    assert 2 * 10 <= len(world.read_by.asked) <= 2 * 16


def test_a_person_is_asked_where_proxies_acknowledge_and_run_something_else(world: World) -> None:
    number = world.start(plan=QUICK)
    run_other_weights(world)
    world.run(64)
    assert state(number) == "running"
    assert world.run(6, until=lambda: state(number) == "needs_human")
    row = rollout(number)
    assert row.reason.startswith("the step cannot begin: acknowledged by every proxy and not read back yet")
    assert "edge-1 runs {'shop-v1': 9700, 'shop-v2': 300}" in row.reason
    assert len(messages("NEEDS_HUMAN")) == 1
    services.resume(rollout_id=number, by=ANN, now=world.now)
    world.run(30)
    assert state(number) == "running"


def test_a_person_may_go_on_without_the_read_back(world: World) -> None:
    number = world.start(plan=QUICK)
    run_other_weights(world)
    world.run(70, until=lambda: state(number) == "needs_human")
    services.approve(rollout_id=number, by=ANN, reason="its admin port is closed", now=world.now)
    assert (state(number), rollout(number).step, rollout(number).weight) == ("running", 1, 5000)
