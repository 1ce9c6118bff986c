"""While both arms fail, a canary is neither rolled back nor given more; afterwards it goes on."""

from html import unescape
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from access.domain.roles import Role
from canary import selectors
from canary.domain.judge import Evidence
from canary.domain.odds import Cell
from canary.domain.trouble import shared
from tests.canary.factories import PLAN, World, rollout, state
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db


def test_the_newest_tick_of_every_proxy_is_what_counts() -> None:
    last = {"edge-1": Cell(10, 0, 100, 2), "edge-2": Cell(10, 0, 100, 10)}
    seen = {"first_attempt": Evidence(last=last)}
    said = "6 % of the control's first attempts fail, more than 5 % (hold_above): both arms are in trouble"
    assert shared(seen, 0.05) == said
    assert shared(seen, 0.06) == ""
    assert shared({"first_attempt": Evidence()}, 0.05) == ""


def test_no_step_is_taken_in_an_incident_of_both_arms_and_afterwards_it_goes_on() -> None:
    world = World(per_second=1000)
    world.fails = {"shop-v1": 0.3, "shop-v2": 0.3}
    number = world.start()
    world.run(60)
    assert (state(number), rollout(number).step) == ("running", 0)
    held = "30 % of the control's first attempts fail, more than 5 % (hold_above): both arms are in trouble"
    assert rollout(number).problem == f"passed, but {held}"
    row = selectors.rollout(number).row
    assert (row.held, row.besides) == (held, "")
    world.fails = {"shop-v1": 0.0, "shop-v2": 0.0}
    assert world.run(5, until=lambda: rollout(number).step == 1)
    assert rollout(number).problem == ""
    assert selectors.rollout(number).row.held == ""


def test_page_api_and_command_say_plainly_that_both_arms_fail(client: Client) -> None:
    world = World(per_second=1000)
    world.fails = {"shop-v1": 0.3, "shop-v2": 0.3}
    number = world.start()
    world.run(20)
    held = "30 % of the control's first attempts fail, more than 5 % (hold_above): both arms are in trouble"
    client.force_login(person(Role.OPERATOR))
    shown = unescape(client.get(f"/rollouts/{number}/").content.decode())
    assert f"The machine takes no step up now.</strong> {held}." in shown
    assert "Problem:" not in shown
    given = client.get(f"/api/v1/rollouts/{number}", headers=bearer(Role.VIEWER)).json()
    assert given["held"] == held
    out = StringIO()
    call_command("rollout", "status", str(number), stdout=out)
    assert f"No step up for now: {held}." in out.getvalue()


def test_a_plan_may_put_up_with_more() -> None:
    world = World(per_second=1000)
    world.fails = {"shop-v1": 0.3, "shop-v2": 0.3}
    number = world.start(plan={**PLAN, "hold_above": 0.5})
    assert world.run(60, until=lambda: rollout(number).step == 1)
