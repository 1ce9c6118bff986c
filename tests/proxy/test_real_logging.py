"""What real Envoys write down of requests, and how a trace goes through them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from lab.http import Request
from tests.proxy.clients import backend
from tests.proxy.collector import attributes, collecting
from tests.proxy.own import ask, declare
from tests.proxy.world import World
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

SECRET = "hunter2"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SPANS_AT_ONCE = 5
"""So many Envoy exports at once; fewer wait for five seconds."""
_numbers = count()


@dataclass
class Own:
    """The test's own backend: where it is, and what it was asked."""

    port: int
    seen: list[Request] = field(default_factory=list)


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    seen: list[Request] = []
    with backend(seen) as port:
        yield Own(port, seen)


def fresh_path() -> str:
    """A path that no other request has, to find its line by."""
    return f"/needle-{next(_numbers)}"


def lines(world: World, path: str) -> list[dict[str, Any]]:
    """The lines of edge-1 on requests to this path, and its query where it is written."""
    text = (world.var / "edge-1.log").read_text().splitlines()
    found = [json.loads(line) for line in text if line.startswith("{")]
    return [line for line in found if str(line["path"]).partition("?")[0] == path]


def line(world: World, path: str) -> dict[str, Any]:
    (found,) = wait_until(lambda: lines(world, path), timeout=15, what=f"a line of {path}")
    return found


def test_a_line_tells_what_became_of_a_request_and_no_secret(world: World, own: Own) -> None:
    declare(world, own.port, {}, access_log="all", tracing={"enabled": True})
    path = fresh_path()
    secrets = {"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}", "x-api-key": SECRET}
    ask(world, f"{path}?token={SECRET}", headers=secrets)
    found = line(world, path)
    assert SECRET not in json.dumps(found)
    told = ("tier", "proxy", "route", "arm", "endpoint", "method", "path", "code", "reason", "attempts")
    assert [found[key] for key in told] == [
        "edge", "edge-1", "own", "own", f"127.0.0.1:{own.port}", "GET", path, 200, "backend", 1,
    ]  # fmt: skip
    assert found["client_address"] == "127.0.0.1"
    assert found["bytes_sent"] == 2
    assert found["total_us"] >= found["upstream_us"] + found["added_request_us"] > 0
    assert re.fullmatch("[0-9a-f]{32}", found["trace_id"])


def test_the_query_is_written_where_it_is_asked_for(world: World, own: Own) -> None:
    declare(world, own.port, {}, access_log={"which": "all", "query": True})
    path = fresh_path()
    ask(world, f"{path}?page=2")
    assert line(world, path)["path"] == f"{path}?page=2"


def test_a_failure_is_written_with_its_reason_and_a_success_is_not(world: World, own: Own) -> None:
    declare(world, own.port, {}, route={"retry": {"attempts": 0}})
    well, ill = fresh_path(), fresh_path()
    ask(world, well, host="shop.test")
    world.fault("payments", refuse=True)
    assert ask(world, ill, host="payments.test").status_code == 503
    found = line(world, ill)
    assert (found["code"], found["reason"], found["route"]) == (503, "connect_failed", "payments")
    assert lines(world, well) == []


def test_a_route_may_be_written_down_more_than_its_tier(world: World, own: Own) -> None:
    declare(world, own.port, {}, access_log="off", route={"access_log": "all"})
    ours, theirs = fresh_path(), fresh_path()
    ask(world, theirs, host="shop.test")
    ask(world, ours)
    assert line(world, ours)["route"] == "own"
    assert lines(world, theirs) == []


def test_a_route_may_be_written_down_less_than_its_tier(world: World, own: Own) -> None:
    declare(world, own.port, {}, access_log="all", route={"access_log": "off"})
    ours, theirs = fresh_path(), fresh_path()
    ask(world, ours)
    ask(world, theirs, host="shop.test")
    assert line(world, theirs)["route"] == "shop"
    assert lines(world, ours) == []


def test_a_sample_is_of_what_went_well_and_failures_are_always_written(world: World, own: Own) -> None:
    declare(world, own.port, {}, route={"access_log": {"which": "all", "sampling": 50}})
    well, last = fresh_path(), fresh_path()
    assert {ask(world, well).status_code for _ in range(200)} == {200}
    declare(world, own.port, {}, access_log={"which": "all", "sampling": 0})
    world.fault("payments", refuse=True)
    ask(world, last, host="payments.test")
    line(world, last)
    assert 60 < len(lines(world, well)) < 140


def test_lines_go_into_a_file_where_one_is_named(world: World, own: Own) -> None:
    file = world.var / "requests.log"
    declare(world, own.port, {}, access_log={"which": "all", "file": str(file)})
    path = fresh_path()
    ask(world, path)
    wait_until(lambda: path in file.read_text(), timeout=15, what="a line in the file")
    assert lines(world, path) == []


def test_a_backend_is_told_the_trace_that_the_log_names(world: World, own: Own) -> None:
    declare(world, own.port, {}, access_log="all", tracing={"enabled": True})
    path = fresh_path()
    ask(world, path)
    version, trace, _, _ = own.seen[-1].headers["traceparent"].split("-")
    assert (version, trace) == ("00", line(world, path)["trace_id"])


def test_a_callers_trace_goes_on_and_a_client_without_trust_begins_a_new_one(world: World, own: Own) -> None:
    declare(world, own.port, {}, tracing={"enabled": True})
    ask(world, headers={"traceparent": PARENT, "tracestate": "a=b"})
    assert own.seen[-1].headers["traceparent"].startswith(f"00-{TRACE}-")
    assert own.seen[-1].headers["tracestate"] == "a=b"
    declare(world, own.port, {}, tracing={"enabled": True, "trust_clients": False})
    ask(world, headers={"traceparent": PARENT, "tracestate": "a=b"})
    assert not own.seen[-1].headers["traceparent"].startswith(f"00-{TRACE}-")
    assert own.seen[-1].headers.get("tracestate", "") == ""


def test_spans_reach_the_collector_with_route_and_tier_and_without_the_query(world: World, own: Own) -> None:
    with collecting() as collector:
        tracing = {"sampling": 100, "otlp": {"address": "127.0.0.1", "port": collector.port}}
        declare(world, own.port, {}, tracing=tracing)
        for _ in range(SPANS_AT_ONCE):
            ask(world, f"/cart?token={SECRET}")
        _, trace, _, sampled = own.seen[-1].headers["traceparent"].split("-")
        assert sampled == "01"
        ((service, span),) = wait_until(lambda: collector.of_trace(trace), timeout=15, what="the span")
    assert service == "edge"
    told = attributes(span)
    assert (told["sluice.tier"], told["sluice.route"]) == ("edge", "own")
    assert told["http.url"] == "http://own.test/cart"
    assert SECRET.encode() not in span.SerializeToString()


def test_a_trace_that_is_not_sampled_is_told_to_the_backend_and_not_exported(world: World, own: Own) -> None:
    with collecting() as collector:
        otlp = {"address": "127.0.0.1", "port": collector.port}
        declare(world, own.port, {}, tracing={"sampling": 0, "otlp": otlp})
        ask(world)
        _, unsampled, _, flags = own.seen[-1].headers["traceparent"].split("-")
        assert flags == "00"
        for _ in range(SPANS_AT_ONCE):
            ask(world, headers={"traceparent": PARENT})
        wait_until(lambda: collector.of_trace(TRACE), timeout=15, what="the caller's span")
    assert collector.of_trace(unsampled) == []


def test_without_a_collector_no_trace_begins_and_a_callers_goes_through(world: World, own: Own) -> None:
    declare(world, own.port, {})
    ask(world)
    assert "traceparent" not in own.seen[-1].headers
    ask(world, headers={"traceparent": PARENT})
    assert own.seen[-1].headers["traceparent"] == PARENT
