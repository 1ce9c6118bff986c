"""Headers, bodies and protocols as real Envoys change them, and large bodies that pass unheld."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from lab import greeter
from lab.http import Request
from tests.proxy.asking import endpoints, serve
from tests.proxy.bodies import Mover, mover
from tests.proxy.clients import backend
from tests.proxy.world import World
from tests.support.echo import echoing
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

MIB = 1 << 20
LARGE = 50 * MIB
PATIENT = {"timeout": "30s", "retry": {"attempts": 0}}


def served(world: World, port: int, tier: Any = None, upstream: Any = None, **route: Any) -> None:
    """One route, t.test, to whatever listens on this port."""
    serve(
        world,
        upstreams=[{"name": "t", "endpoints": [{"port": port}], **(upstream or {})}],
        routes=[{"name": "t", "hosts": ["t.test"], "upstream": "t", **route}],
        **(tier or {}),
    )


def get(world: World, path: str = "/", *, method: str = "GET", **more: Any) -> requests.Response:
    """Over a connection of its own: one that is older keeps the filters that it was opened with."""
    headers = {"host": "t.test", **more.pop("headers", {})}
    url = f"http://127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}{path}"
    return requests.request(method, url, headers=headers, timeout=15, **more)


def test_headers_of_requests_are_set_added_and_removed(world: World) -> None:
    seen: list[Request] = []
    with backend(seen) as port:
        changes = {
            "set": {"x-client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "x-by": "route"},
            "add": {"x-tag": "two"},
            "remove": ["x-secret"],
        }
        tier = {"request_headers": {"set": {"x-by": "tier", "x-tier": "edge"}}}
        served(world, port, tier, request_headers=changes)
        sent = {"x-client": "spoofed", "x-tag": "one", "x-secret": "s"}
        assert get(world, headers=sent).status_code == 200
    got = seen[-1].headers
    assert got["x-client"] == "127.0.0.1"
    assert got["x-by"] == "route"
    assert got["x-tier"] == "edge"
    assert "x-secret" not in got
    assert got["x-tag"] == "two"  # the last of the two lines


def test_headers_of_answers_are_set_and_removed_and_the_server_is_named(world: World) -> None:
    answers = {"set": {"x-route": "%ROUTE_NAME%"}, "remove": ["x-lab-backend"]}
    port = world.ports["LAB_PAYMENTS_A_PORT"]
    served(world, port, {"server_name": "edge-of-shop"}, response_headers=answers)
    answer = get(world)
    assert answer.headers["x-route"] == "t"
    assert answer.headers["server"] == "edge-of-shop"
    assert "x-lab-backend" not in answer.headers


def test_a_visitors_cookie_and_headers_of_the_route_are_both_set(world: World) -> None:
    port = world.ports["LAB_PAYMENTS_A_PORT"]
    both = {"sticky": {"cookie": "visitor"}, "response_headers": {"set": {"x-route": "t"}}}
    served(world, port, **both)
    answer = get(world)
    assert "visitor" in answer.cookies
    assert answer.headers["x-route"] == "t"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_answers_are_compressed_where_a_route_asks_for_it(world: World, coding: str) -> None:
    with backend() as port:
        of_any_kind = {"compression": {"content_type": ["application/octet-stream", "text/plain"]}}
        served(world, port, of_any_kind, compression=True, response_headers={"set": {"x-on": "yes"}})
        with get(world, "/big", headers={"accept-encoding": coding}, stream=True) as answer:
            assert answer.headers["content-encoding"] == coding
            size = len(answer.raw.read(decode_content=False))
    assert 0 < size < 200_000


def test_a_coding_that_is_not_declared_is_not_used_and_a_short_answer_stays_as_it_is(world: World) -> None:
    def coding(accepts: str) -> str | None:
        return get(world, headers={"accept-encoding": accepts}).headers.get("content-encoding")

    with echoing() as port:  # some 400 bytes
        served(
            world, port, {"compression": {"min_content_length": 100, "codings": ["gzip"]}}, compression=True
        )
        assert [coding(accepts) for accepts in ("br", "br, gzip")] == [None, "gzip"]
        served(world, port, compression=True)
        assert coding("gzip") is None


def test_the_server_that_a_backend_names_is_told_where_that_is_declared(world: World) -> None:
    with echoing() as port:
        for told, names in ((None, "envoy"), ("pass_through", "BaseHTTP")):
            served(world, port, {"server_header_transformation": told} if told else {})
            assert get(world).headers["server"].startswith(names)


def test_nothing_is_compressed_unasked(world: World) -> None:
    with backend() as port:
        served(world, port)
        assert "content-encoding" not in get(world, "/big").headers


def transcoded(world: World) -> None:
    descriptors = base64.b64encode(greeter.descriptor_set()).decode()
    serve(
        world,
        upstreams=[
            {
                "name": "t",
                "protocol": "http2",
                "endpoints": endpoints(world, "greeter-a", "greeter-b", "greeter-c"),
            }
        ],
        routes=[
            {
                "name": "t",
                "hosts": ["t.test"],
                "upstream": "t",
                "transcode": {"descriptor_set": descriptors, "services": [greeter.SERVICE]},
            }
        ],
    )


def test_grpc_is_spoken_as_json(world: World) -> None:
    transcoded(world)
    got = get(world, "/v1/hello/ann")
    posted = get(world, "/v1/hello", method="POST", json={"name": "ben"})
    assert got.headers["content-type"] == posted.headers["content-type"] == "application/json"
    assert got.json()["message"].startswith("Hello ann from greeter-")
    assert posted.json()["message"].startswith("Hello ben from greeter-")


def test_a_failed_grpc_status_becomes_its_http_status_and_json(world: World) -> None:
    transcoded(world)
    for name in ("greeter-a", "greeter-b", "greeter-c"):
        world.fault(name, error_rate=1, status=429)
    failed = get(world, "/v1/hello/ann")
    assert failed.status_code == 429
    assert failed.json() == {"code": 8, "message": "injected"}


def test_json_that_does_not_fit_the_message_is_refused(world: World) -> None:
    transcoded(world)
    assert get(world, "/v1/hello", method="POST", json={"name": {"a": 1}}).status_code == 400


def test_json_bodies_are_changed_by_declaration(world: World) -> None:
    port = world.ports["LAB_PAYMENTS_A_PORT"]
    answer = {"merge": {"route": "%ROUTE_NAME%", "backend": "hidden"}}
    served(world, port, response_body=answer)
    changed = get(world, "/here").json()
    assert changed == {"backend": "hidden", "method": "GET", "path": "/here", "route": "t"}


def test_a_request_body_is_made_anew(world: World) -> None:
    seen: list[Request] = []
    with backend(seen) as port:
        served(world, port, request_body={"replace": {"user": "%REQUEST_BODY(name)%", "via": "sluice"}})
        sent = {"name": "ann", "password": "p"}
        assert get(world, method="POST", json=sent).status_code == 200
    assert json.loads(seen[-1].body) == {"user": "ann", "via": "sluice"}


def test_a_body_above_the_routes_size_is_refused(world: World) -> None:
    seen: list[Request] = []
    with backend(seen) as port:
        served(world, port, max_request_bytes=1000)
        assert get(world, method="POST", data=b"x" * 1000).status_code == 200
        assert get(world, method="POST", data=b"x" * 1001).status_code == 413
    assert len(seen) == 1


def allocated(world: World) -> int:
    return int(requests.get(f"http://{world.admin()}/memory", timeout=5).json()["allocated"])


def upload(world: World) -> str:
    return get(world, method="POST", data=b"x" * LARGE).text


def test_a_large_upload_passes_unheld(world: World) -> None:
    """The backend does not read for a while: what the proxy may hold meanwhile is its buffers."""
    with mover() as there:
        served(world, there.port, **PATIENT)
        before = allocated(world)
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(upload, world)
            held = peak(world, there)
            there.go.set()
            assert answer.result() == str(LARGE)
    assert held - before < 2 * MIB
    assert allocated(world) - before < 2 * MIB


def peak(world: World, there: Mover) -> int:
    """The most memory in ten looks once the request is there."""
    wait_until(lambda: there.requests, timeout=5, what="the request's head at the backend")
    return max(allocated(world) for _ in range(10))


def test_a_large_download_passes_unheld(world: World) -> None:
    """The client does not read for a while."""
    with mover() as there:
        there.go.set()
        served(world, there.port, **PATIENT)
        before = allocated(world)
        with get(world, f"/{LARGE}", stream=True) as answer:
            held = peak(world, there)
            assert sum(len(part) for part in answer.iter_content(MIB)) == LARGE
    assert held - before < 2 * MIB


def test_what_a_connection_may_hold_is_capped(world: World) -> None:
    with mover() as there:
        served(world, there.port, {"limits": {"buffer_bytes": 32_768}}, **PATIENT)
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(upload, world)
            peak(world, there)
            held = world.metric("envoy_cluster_upstream_cx_tx_bytes_buffered", envoy_cluster_name="t")
            there.go.set()
            answer.result()
    assert 0 < held < 200_000
