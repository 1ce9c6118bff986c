"""Every drill in short form on real Envoys: the failure is real without the defence, and the defence holds."""

import asyncio

import pytest

from runbooks.domain.drills import Defence
from runbooks.drills.catalogue import DRILLS
from runbooks.drills.running import play

pytestmark = pytest.mark.real

SHORT = 0.4


def short(name: str) -> Defence:
    return asyncio.run(play(DRILLS[name], scale=SHORT))


def value(defence: Defence, side: int, key: str) -> float:
    return defence.columns[side].measured.value(key)


def test_three_layers_of_three_tries_make_27_requests_of_one_and_a_budget_at_most_1_2() -> None:
    found = short("retry-storm")
    assert found.held, found.checks
    assert value(found, 0, "reached") == 27 * value(found, 0, "asked")
    assert value(found, 0, "asked") < value(found, 1, "reached") <= 1.2 * value(found, 1, "asked")


def test_a_hanging_backend_is_ejected_and_too_much_is_refused_at_once() -> None:
    found = short("brownout")
    assert found.held, found.checks


def test_a_slow_service_fills_its_own_pool_and_not_its_neighbours() -> None:
    found = short("hol-backend")
    assert found.held, found.checks


def test_calls_over_one_connection_reach_one_backend_until_streams_are_balanced() -> None:
    found = short("grpc-hotspot")
    assert found.held, found.checks
    assert value(found, 0, "busiest") == 100
    assert value(found, 2, "connections") > value(found, 0, "connections")


def test_a_herd_resumes_at_another_proxy_only_when_the_ticket_keys_are_shared() -> None:
    found = short("handshake-storm")
    assert found.held, found.checks
    assert value(found, 0, "full") == value(found, 0, "clients")
    assert value(found, 1, "full") == 0
