"""The pools of upstreams on real Envoys: their caps, who gets a request, and how long a connection lives."""

import itertools
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from lab import greeter
from tests.proxy.asking import Asked, ask, endpoints, serve, total
from tests.proxy.bodies import mover
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

TRIO = ("shop-v1-a", "shop-v1-b", "shop-v2-a")
GREETERS = ("greeter-a", "greeter-b", "greeter-c")


def served(world: World, *backends: str, route: Any = None, **upstream: Any) -> None:
    """One route, u.test, without retries, to one upstream."""
    one = {"name": "u", "endpoints": endpoints(world, *backends), **upstream}
    tries = {"retry": {"attempts": 0}, **(route or {})}
    serve(world, upstreams=[one], routes=[{"name": "u", "hosts": ["u.test"], "upstream": "u", **tries}])


def statuses(asked: Any) -> Counter[int]:
    return Counter(one.status for one in asked)


def test_requests_above_the_cap_get_a_fast_503(world: World) -> None:
    served(world, "payments-a", circuit_breaker={"max_requests": 5})
    world.fault("payments-a", latency_ms=400)
    asked = ask(world, "u.test", 20, at_once=20)
    assert statuses(asked) == {200: 5, 503: 15}
    assert max(one.seconds for one in asked if one.status == 503) < 0.4


def test_connections_and_the_queue_behind_them_are_capped(world: World) -> None:
    served(world, "payments-a", circuit_breaker={"max_connections": 2, "max_pending_requests": 3})
    world.fault("payments-a", latency_ms=300)
    assert statuses(ask(world, "u.test", 2, at_once=2)) == {
        200: 2
    }  # who waits for a connect waits in the queue
    assert statuses(ask(world, "u.test", 20, at_once=20)) == {200: 5, 503: 15}


def test_one_endpoint_gets_no_more_connections_than_its_share(world: World) -> None:
    with mover() as backend:
        one_each = {"max_connections_per_endpoint": 2}
        served(world, circuit_breaker=one_each, endpoints=[{"port": backend.port}])
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(ask, world, "u.test", 6, at_once=6)
            pending = {"envoy_cluster_name": "u"}
            wait_until(
                lambda: world.metric("envoy_cluster_upstream_rq_pending_active", **pending) == 4,
                timeout=5,
                what="four that wait",
            )
            backend.go.set()
            assert statuses(asked.result()) == {200: 6}
        assert len(backend.opened) == 2


def test_a_slow_upstream_leaves_anothers_p99_alone(world: World) -> None:
    """Beside it a pool that both share, which does not."""
    small = {"circuit_breaker": {"max_connections": 4}, "outlier_detection": {"enabled": False}}
    second = [{"port": world.ports["EDGE_2_HTTP_PORT"]}]
    patient: dict[str, Any] = {"retry": {"attempts": 0}, "timeout": "20s"}
    serve(
        world,
        upstreams=[
            {"name": "fast", "endpoints": endpoints(world, "payments-a"), **small},
            {"name": "slow", "endpoints": endpoints(world, "admin-a"), **small},
            {"name": "shared", "endpoints": second, **small},
        ],
        routes=[
            {"name": "fast", "hosts": ["fast.test"], "upstream": "fast", **patient},
            {"name": "slow", "hosts": ["slow.test"], "upstream": "slow", **patient},
            *(
                {
                    "name": f"shared-{name}",
                    "hosts": [f"shared-{name}.test"],
                    "upstream": "shared",
                    "host_rewrite_literal": f"{name}.test",
                    **patient,
                }
                for name in ("fast", "slow")
            ),
        ],
    )
    world.fault("payments-a", latency_ms=40)
    world.fault("admin-a", latency_ms=400)
    rounds = [(measured(world, "fast.test"), beside(world, "fast.test", "slow.test")) for _ in range(3)]
    quiet, loaded = (statistics.median(p99(asked) for asked in each) for each in zip(*rounds, strict=True))

    assert loaded <= 1.2 * quiet
    assert p99(beside(world, "shared-fast.test", "shared-slow.test")) > 1.2 * quiet


def measured(world: World, host: str) -> list[Asked]:
    """Some 50 requests a second, for less than one."""
    return ask(world, host, 40, at_once=5, pace=0.1)


def beside(world: World, host: str, slow: str) -> list[Asked]:
    """The same while the slow upstream's connections are all taken and its queue is long."""
    with ThreadPoolExecutor() as pool:
        load = pool.submit(ask, world, slow, 8, at_once=8)
        time.sleep(0.05)
        asked = measured(world, host)
        load.result()
    return asked


def p99(asked: list[Asked]) -> float:
    assert {one.status for one in asked} == {200}
    return statistics.quantiles([one.seconds for one in asked], n=100, method="inclusive")[98]


def test_the_streams_of_one_connection_spread_evenly(world: World) -> None:
    before = {name: total(world, name) for name in GREETERS}
    served(world, *GREETERS, protocol="http2", route={"hosts": ["u.test"]})
    connections = world.metric("envoy_http_downstream_cx_http2_total")

    options = [("grpc.default_authority", "u.test")]
    with grpc.insecure_channel(f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}", options=options) as channel:
        call = channel.unary_unary(
            greeter.PATH, request_serializer=greeter.request_bytes, response_deserializer=greeter.read_reply
        )
        with ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(lambda _: call("you", timeout=10).message, range(1500)))

    assert len(answers) == 1500
    assert world.metric("envoy_http_downstream_cx_http2_total") - connections == 1
    shares = [total(world, name) - before[name] for name in GREETERS]
    assert sum(shares) == 1500
    assert min(shares) >= 450
    assert max(shares) <= 550


def test_round_robin_asks_one_after_the_other(world: World) -> None:
    served(world, *TRIO, lb_policy="round_robin")
    asked = ask(world, "u.test", 30)
    assert Counter(one.backend for one in asked) == dict.fromkeys(TRIO, 10)


def test_least_request_spares_the_slow(world: World) -> None:
    served(world, *TRIO)
    world.fault("shop-v1-a", latency_ms=200)
    asked = Counter(one.backend for one in ask(world, "u.test", 180, at_once=6))
    assert asked["shop-v1-a"] < 42  # a third would be 60; one in nine is when both draws are the slow one


def test_random_draws_whoever_is_slow_and_in_no_order(world: World) -> None:
    served(world, *TRIO, lb_policy="random")
    drawn = [one.backend for one in ask(world, "u.test", 30)]
    assert any(first == second for first, second in itertools.pairwise(drawn))  # never in a round
    world.fault("shop-v1-a", latency_ms=150)
    asked = Counter(one.backend for one in ask(world, "u.test", 150, at_once=12))
    assert asked["shop-v1-a"] > 30  # a third is 50; least_request would give it one in nine, 17


@pytest.mark.parametrize("policy", ["ring_hash", "maglev"])
def test_one_visitor_stays_with_one_endpoint(world: World, policy: str) -> None:
    served(world, *TRIO, lb_policy=policy, hash_on={"header": "x-user"})
    visitors = [ask(world, "u.test", 5, headers={"x-user": f"user-{number}"}) for number in range(20)]
    homes = [{one.backend for one in asked} for asked in visitors]
    assert {len(home) for home in homes} == {1}
    assert set[str]().union(*homes) == set(TRIO)


@pytest.mark.parametrize("by", [{"cookie": "visitor"}, {"query_parameter": "visitor"}])
def test_a_visitor_is_told_by_a_cookie_or_the_query(world: World, by: dict[str, str]) -> None:
    served(world, *TRIO, lb_policy="maglev", hash_on=by)

    def asked(visitor: str) -> str:
        cookie = {"cookie": f"visitor={visitor}"} if "cookie" in by else {}
        path = f"/?visitor={visitor}" if "query_parameter" in by else "/"
        return world.get("u.test", path, headers=cookie).headers["x-lab-backend"]

    homes = [{asked(f"user-{number}") for _ in range(4)} for number in range(15)]
    assert {len(home) for home in homes} == {1}
    assert set[str]().union(*homes) == set(TRIO)


def test_a_visitor_is_told_by_his_address(world: World) -> None:
    served(world, *TRIO, lb_policy="ring_hash", hash_on={"source_ip": True})
    assert len({one.backend for one in ask(world, "u.test", 20)}) == 1


def test_a_connection_ends_after_its_requests(world: World) -> None:
    with mover() as backend:
        backend.go.set()
        served(world, endpoints=[{"port": backend.port}], connection={"max_requests_per_connection": 5})
        assert statuses(ask(world, "u.test", 20)) == {200: 20}
        assert len(backend.opened) == 4


def test_a_connection_ends_at_its_age(world: World) -> None:
    with mover() as backend:
        backend.go.set()
        age = {"max_connection_duration": "500ms"}
        served(world, endpoints=[{"port": backend.port}], connection=age)
        assert statuses(ask(world, "u.test", 12, pace=0.1)) == {200: 12}
        assert len(backend.opened) >= 2


@pytest.mark.parametrize(("protocol", "spoken"), [("http1", "http1"), ("http2", "http2"), ("auto", "http2")])
def test_the_protocol_of_an_upstream_is_spoken_over_tls(world: World, protocol: str, spoken: str) -> None:
    """To the second proxy, which speaks both."""
    there = {"port": world.ports["EDGE_2_HTTPS_PORT"]}
    tls = {"sni": "back.test", "ca": "local"}
    serve(
        world,
        upstreams=[
            {"name": f"over-{protocol}", "endpoints": [there], "protocol": protocol, "tls": tls},
            {"name": "back", "endpoints": endpoints(world, "payments-a")},
        ],
        routes=[
            {
                "name": "front",
                "hosts": ["front.test"],
                "upstream": f"over-{protocol}",
                "host_rewrite_literal": "back.test",
            },
            {"name": "back", "hosts": ["back.test"], "upstream": "back"},
        ],
    )
    assert {one.backend for one in ask(world, "front.test", 3)} == {"payments-a"}
    opened = f"envoy_cluster_upstream_cx_{spoken}_total"
    assert world.metric(opened, envoy_cluster_name=f"over-{protocol}") == 1
