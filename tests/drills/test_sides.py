"""Every drill in short form on real Envoys: the failure is real without the defence, and the defence holds."""

import asyncio
from pathlib import Path

import pytest

from runbooks.domain.drills import Defence
from runbooks.drills.catalogue import DRILLS
from runbooks.drills.drill import CannotPlay
from runbooks.drills.running import play
from tests.support.lossy_link import own_network

pytestmark = pytest.mark.real

SHORT = 0.4


def short(name: str) -> Defence:
    """A drill's two sides, at a part of the load."""
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


def test_headers_that_never_end_take_every_connection_until_each_address_has_its_number() -> None:
    found = short("slow-header")
    assert found.held, found.checks
    answered = [value(found, side, "answered") for side in range(3)]
    assert answered[0] < answered[2], "a time for headers and a cap are worth nothing"
    assert value(found, 0, "cut") == 0 < value(found, 1, "cut")


def test_bodies_of_a_byte_now_and_then_are_cut_though_there_is_progress() -> None:
    found = short("slow-body")
    assert found.held, found.checks
    assert value(found, 0, "cut") == 0 < value(found, 1, "cut")


def test_readers_who_do_not_read_cost_a_bounded_amount_of_memory() -> None:
    found = short("slow-reader")
    assert found.held, found.checks
    assert value(found, 1, "cut") > 200, "two hundred of them speak HTTP/2"


def test_a_lost_packet_holds_up_all_of_one_connection_and_of_http3_little() -> None:
    own_network()
    found = short("hol-tcp")
    assert found.held, found.checks
    connections = [value(found, side, "connections") for side in range(3)]
    assert connections[0] == connections[2] == 1 < connections[1]
    assert all(0.5 < value(found, side, "dropped") < 4 for side in range(3)), "the link lost nothing"


def test_where_no_network_can_be_made_to_lose_packets_the_drill_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotPlay, match="no lossy link here: unshare is missing"):
        asyncio.run(play(DRILLS["hol-tcp"], scale=SHORT))


def test_a_large_body_holds_up_who_shares_its_worker_until_it_is_refused() -> None:
    found = short("hol-worker")
    assert found.held, found.checks
    assert value(found, 3, "heavy_refused") > 0 == value(found, 3, "heavy_done")
