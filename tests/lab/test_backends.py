"""The lab's backends: what they answer, how they fail, what they count."""

import time
from collections.abc import Iterator

import grpc
import pytest
import requests

from lab import greeter
from lab.faults import Fault
from tests.lab.lab_processes import Backends, running_backends
from tests.support.processes import wait_until

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    with running_backends(tmp_path_factory.mktemp("backends") / "log") as backends:
        yield backends


@pytest.fixture
def backends(running: Backends) -> Iterator[Backends]:
    running.heal()
    yield running
    running.heal()


def say_hello(backends: Backends, name: str) -> str:
    with grpc.insecure_channel(f"127.0.0.1:{backends.environment['LAB_GREETER_A_PORT']}") as channel:
        call = channel.unary_unary(greeter.PATH, None, greeter.read_reply)
        return str(call(greeter.request_bytes(name), timeout=5, wait_for_ready=True).message)


def test_a_backend_answers_json_naming_itself(backends: Backends) -> None:
    answer = backends.get("LAB_SHOP_V2_A_PORT")
    assert answer.status_code == 200
    assert answer.json()["backend"] == "shop-v2-a"
    assert answer.headers["x-lab-backend"] == "shop-v2-a"


def test_a_connection_carries_many_requests(backends: Backends) -> None:
    with requests.Session() as session:
        answers = [session.get(backends.url("LAB_ADMIN_A_PORT"), timeout=5).status_code for _ in range(3)]
        assert answers == [200, 200, 200]


def test_a_greeter_says_hello_over_grpc(backends: Backends) -> None:
    assert say_hello(backends, "Ada") == "Hello Ada from greeter-a"


def test_counts_tell_first_attempts_from_retries(backends: Backends) -> None:
    before = backends.counts("payments-a")
    since = time.time()
    backends.get("LAB_PAYMENTS_A_PORT")
    backends.get("LAB_PAYMENTS_A_PORT", x_envoy_attempt_count="1")
    backends.get("LAB_PAYMENTS_A_PORT", x_envoy_attempt_count="2")
    after = backends.counts("payments-a")
    assert after["total"] - before["total"] == 3
    assert after["first"] - before["first"] == 2
    assert after["retried"] - before["retried"] == 1
    assert after["last_at"] >= since


def test_an_error_rate_of_one_fails_every_backend_of_the_upstream(backends: Backends) -> None:
    backends.set_fault(backend="shop-v1", error_rate=1)
    assert backends.get("LAB_SHOP_V1_A_PORT").status_code == 500
    assert backends.get("LAB_SHOP_V1_B_PORT").status_code == 500
    assert backends.get("LAB_SHOP_V2_A_PORT").status_code == 200


def test_a_fault_replaces_the_one_before(backends: Backends) -> None:
    backends.set_fault(backend="shop-v2-a", error_rate=1, status=503)
    backends.set_fault(backend="shop-v2-a", latency_ms=1)
    assert backends.get("LAB_SHOP_V2_A_PORT").status_code == 200


def test_a_first_attempt_fault_is_healed_by_the_retry(backends: Backends) -> None:
    backends.set_fault(backend="shop-v2", error_rate=1, status=503, retry_after=0, first_attempt_only=True)
    first = backends.get("LAB_SHOP_V2_A_PORT", x_envoy_attempt_count="1")
    second = backends.get("LAB_SHOP_V2_A_PORT", x_envoy_attempt_count="2")
    assert (first.status_code, first.headers["retry-after"]) == (503, "0")
    assert second.status_code == 200


def test_a_reset_cuts_the_connection_without_an_answer(backends: Backends) -> None:
    backends.set_fault(backend="shop-v2", error_rate=1, reset=True)
    with pytest.raises(requests.ConnectionError):
        backends.get("LAB_SHOP_V2_A_PORT")


def test_added_latency_is_waited(backends: Backends) -> None:
    backends.set_fault(backend="admin", latency_ms=150)
    started = time.monotonic()
    backends.get("LAB_ADMIN_A_PORT")
    assert time.monotonic() - started >= 0.15


def test_a_share_of_the_requests_is_slow_and_a_slowdown_multiplies_what_each_takes() -> None:
    tail = Fault(latency_ms=500, latency_share=0.02)
    assert tail.seconds(1, draw=0.01) > 0.5
    assert tail.seconds(1, draw=0.02) < 0.1
    assert min(Fault(slowdown=100).seconds(10, draw=0) for _ in range(20)) > 0.1


def test_a_slowdown_is_waited(backends: Backends) -> None:
    backends.set_fault(backend="admin", slowdown=100)
    started = time.monotonic()
    backends.get("LAB_ADMIN_A_PORT")
    assert time.monotonic() - started >= 0.03


def test_refusal_closes_the_socket_and_health_opens_it_again(backends: Backends) -> None:
    backends.set_fault(backend="shop-v2-a", refuse=True)
    with pytest.raises(requests.ConnectionError, match="refused"):
        backends.get("LAB_SHOP_V2_A_PORT")
    backends.heal()
    assert backends.get("LAB_SHOP_V2_A_PORT").status_code == 200


def test_a_greeter_refuses_and_comes_back(backends: Backends) -> None:
    backends.set_fault(backend="greeter-a", refuse=True)
    port = backends.environment["LAB_GREETER_A_PORT"]
    with pytest.raises(requests.ConnectionError, match="refused"):
        requests.get(f"http://127.0.0.1:{port}/", timeout=5)
    backends.heal()
    assert wait_until(lambda: say_hello(backends, "Bo"), timeout=10, what="greeter-a back")


def test_a_wrong_fault_is_refused_with_every_wrong_field_and_changes_nothing(backends: Backends) -> None:
    answer = backends.set_fault(backend="shop-v9", error_rate=1.5, status=200, refuse="yes", colour=1)
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"backend", "error_rate", "status", "refuse", "colour"}
    assert backends.get("LAB_SHOP_V2_A_PORT").status_code == 200
