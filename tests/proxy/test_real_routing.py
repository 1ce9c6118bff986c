"""Routing by real Envoys: what is declared decides where a request goes and what it looks like there."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.proxy.world import World
from tests.support.echo import echoing

pytestmark = pytest.mark.real

HOST = "a.test"
V1, V2 = "shop-v1", "shop-v2"


def route(name: str, **fields: Any) -> dict[str, Any]:
    gets = {} if {"split", "redirect", "direct_response"} & {*fields} else {"upstream": V1}
    return {"name": name, "hosts": [HOST], **gets, **fields}


def serve(world: World, *routes: dict[str, Any], upstreams: Iterable[dict[str, Any]] = ()) -> None:
    """These routes instead of the sample tier's, and these upstreams besides its own."""
    declared = [*world.declared()["tiers"][0]["upstreams"], *upstreams]
    world.wait_acked(world.apply({"routes": list(routes), "objectives": [], "upstreams": declared}))


def goes(world: World, path: str = "/", host: str = HOST, **more: Any) -> str:
    """The upstream that answered, or the status of the proxy's own answer."""
    answer = world.get(host, path, allow_redirects=False, **more)
    return answer.headers.get("x-lab-backend", f"{answer.status_code}-").rpartition("-")[0]


def told(world: World, path: str, host: str = HOST) -> dict[str, Any]:
    """What the echo was asked: its method, path with query, and headers."""
    found: dict[str, Any] = world.get(host, path).json()
    return found


@pytest.fixture
def echo() -> Iterator[dict[str, Any]]:
    """An upstream that answers with what it was sent."""
    with echoing() as port:
        yield {"name": "echo", "endpoints": [{"port": port}]}


PATHS = [
    ({"path": "/x"}, ["/x", "/x?a=1"], ["/x/", "/xy", "/x/y"]),
    ({"prefix": "/api"}, ["/api", "/api/z", "/api?a=1"], ["/apix", "/ap"]),
    ({"prefix": "/files/"}, ["/files/", "/files/z"], ["/files", "/filesz"]),
    ({"path_template": "/orders/{id}/items"}, ["/orders/7/items"], ["/orders/7", "/orders/7/8/items"]),
    ({"path_template": "/f/{rest=**}"}, ["/f/a", "/f/a/b"], ["/f", "/g/a"]),
    ({"safe_regex": "/user/[0-9]{1,3}(/.*)?"}, ["/user/12", "/user/1/x"], ["/user/1234", "/a/user/1"]),
]
AGENT = {"name": "user-agent", "contains": "Mobile", "ignore_case": True}
NOT_B = {"name": "x-a", "exact": "b", "invert_match": True}
BOTH = [{"name": "x-a", "exact": "1"}, {"name": "x-b", "exact": "2"}]
NOT_BETA = {"name": "beta", "exact": "1", "invert_match": True}
HEADERS: list[tuple[dict[str, Any], list[dict[str, str]], list[dict[str, str]]]] = [
    ({"headers": [{"name": "X-A", "exact": "b"}]}, [{"x-a": "b"}], [{}, {"x-a": "bc"}, {"x-a": "B"}]),
    ({"headers": [{"name": "x-a", "prefix": "b"}]}, [{"x-a": "bc"}], [{"x-a": "cb"}]),
    ({"headers": [{"name": "x-a", "suffix": "b"}]}, [{"x-a": "cb"}], [{"x-a": "bc"}]),
    ({"headers": [AGENT]}, [{"user-agent": "a mobile b"}], [{"user-agent": "desk"}]),
    ({"headers": [{"name": "x-a", "safe_regex": "[0-9]+"}]}, [{"x-a": "12"}], [{"x-a": "12a"}]),
    ({"headers": [{"name": "x-a", "present_match": True}]}, [{"x-a": "1"}], [{}]),
    ({"headers": [{"name": "x-a", "present_match": False}]}, [{}], [{"x-a": "1"}]),
    ({"headers": [NOT_B]}, [{}, {"x-a": "c"}], [{"x-a": "b"}]),
    ({"headers": BOTH}, [{"x-a": "1", "x-b": "2"}], [{"x-a": "1"}, {"x-b": "2"}]),
    ({"cookies": [{"name": "beta", "exact": "1"}]}, [{"cookie": "a=2; beta=1"}], [{"cookie": "beta=12"}, {}]),
    ({"cookies": [{"name": "beta", "present_match": True}]}, [{"cookie": "beta=x"}], [{"cookie": "b=x"}]),
    (
        {"cookies": [{"name": "beta", "present_match": False}]},
        [{}, {"cookie": "b=x"}],
        [{"cookie": "beta=x"}],
    ),
    ({"cookies": [NOT_BETA]}, [{}, {"cookie": "beta=2"}], [{"cookie": "beta=1"}]),
]


def test_a_path_is_taken_in_each_of_the_four_ways(world: World) -> None:
    hosts = [f"m{number}.test" for number in range(len(PATHS))]
    matching = [
        route(f"m{number}", hosts=[host], match=match, upstream=V2)
        for number, (host, (match, _, _)) in enumerate(zip(hosts, PATHS, strict=True))
    ]
    serve(world, route("rest", hosts=hosts), *matching)
    expected = [(dict.fromkeys(taken, V2), dict.fromkeys(left, V1)) for _, taken, left in PATHS]
    assert expected == [
        tuple({path: goes(world, path, host=host) for path in paths} for paths in (taken, left))
        for host, (_, taken, left) in zip(hosts, PATHS, strict=True)
    ]


def test_headers_and_cookies_choose_a_route(world: World) -> None:
    hosts = [f"m{number}.test" for number in range(len(HEADERS))]
    matching = [
        route(f"m{number}", hosts=[host], match=match, upstream=V2)
        for number, (host, (match, _, _)) in enumerate(zip(hosts, HEADERS, strict=True))
    ]
    serve(world, route("rest", hosts=hosts), *matching)
    expected = [([V2] * len(takes), [V1] * len(leaves)) for _, takes, leaves in HEADERS]
    assert expected == [
        tuple([goes(world, host=host, headers=headers) for headers in sent] for sent in (takes, leaves))
        for host, (_, takes, leaves) in zip(hosts, HEADERS, strict=True)
    ]


def test_methods_and_query_parameters_choose_a_route(world: World) -> None:
    serve(
        world,
        route("rest"),
        route("writes", methods=["POST", "PUT"], upstream=V2),
        route("second", match={"query_parameters": [{"name": "v", "exact": "2"}]}, upstream="admin"),
        route(
            "debug",
            match={"query_parameters": [{"name": "debug", "present_match": True}]},
            upstream="payments",
        ),
    )
    assert goes(world, method="POST") == goes(world, method="PUT") == V2
    assert goes(world) == goes(world, "/?v=3") == V1
    assert goes(world, "/?a=1&v=2") == "admin"
    assert goes(world, "/?debug") == "payments"


def test_the_most_specific_route_is_tried_first_whatever_the_order_of_the_file(world: World) -> None:
    routes = [
        route("rest"),
        route("below", prefix="/a", direct_response={"status": 201}),
        route("matching", match={"safe_regex": "/a/b[0-9]?"}, direct_response={"status": 202}),
        route("like", match={"path_template": "/a/{x}"}, direct_response={"status": 203}),
        route("whole", match={"path": "/a/b"}, direct_response={"status": 205}),
    ]
    random.Random(7).shuffle(routes)
    serve(world, *routes)
    assert [goes(world, path) for path in ("/a/b", "/a/c", "/a/b/c", "/b")] == ["205", "203", "201", V1]


REWRITES = [
    ("/api/v2", "/", {"/api/v2": "/", "/api/v2/": "/", "/api/v2/z": "/z", "/api/v2/z/y?q=1": "/z/y?q=1"}),
    ("/api/v2", "/v2", {"/api/v2": "/v2", "/api/v2/z": "/v2/z"}),
    ("/api/v2", "/v2/", {"/api/v2": "/v2", "/api/v2/z": "/v2/z"}),
    ("/api/", "/", {"/api/": "/", "/api/z": "/z"}),
    ("/api/", "/v1", {"/api/": "/v1/", "/api/z?a": "/v1/z?a"}),
    ("/", "/v1", {"/": "/v1/", "/z": "/v1/z"}),
]


def test_a_prefix_is_rewritten_with_one_slash_between_the_parts(world: World, echo: dict[str, Any]) -> None:
    hosts = [f"m{number}.test" for number in range(len(REWRITES))]
    rewriting = [
        route(f"m{number}", hosts=[host], prefix=prefix, prefix_rewrite=rewrite, upstream="echo")
        for number, (host, (prefix, rewrite, _)) in enumerate(zip(hosts, REWRITES, strict=True))
    ]
    serve(world, *rewriting, upstreams=[echo])
    expected = [becomes for _, _, becomes in REWRITES]
    assert expected == [
        {path: told(world, path, host=host)["path"] for path in becomes}
        for host, (_, _, becomes) in zip(hosts, REWRITES, strict=True)
    ]


def test_a_whole_path_a_regular_expression_and_a_host_are_rewritten(
    world: World, echo: dict[str, Any]
) -> None:
    regex = {"pattern": "^/user/([0-9]+)", "substitution": r"/u/\1/profile"}
    serve(
        world,
        route("whole", match={"path": "/old"}, prefix_rewrite="/new", upstream="echo"),
        route("user", match={"safe_regex": "/user/[0-9]+"}, regex_rewrite=regex, upstream="echo"),
        route("host", prefix="/host", host_rewrite_literal="inner.test", upstream="echo"),
        upstreams=[echo],
    )
    assert told(world, "/old?q=1")["path"] == "/new?q=1"
    assert told(world, "/user/42")["path"] == "/u/42/profile"
    assert told(world, "/user/42")["headers"]["host"] == HOST
    assert told(world, "/host")["headers"]["host"] == "inner.test"


def test_versions_of_an_api_are_told_apart_by_path_and_by_header(world: World) -> None:
    second = {"headers": [{"name": "accept", "contains": "version=2"}]}
    serve(
        world,
        route("v1", prefix="/api"),
        route("v2-by-header", match={"prefix": "/api", **second}, upstream=V2),
        route("v2-by-path", prefix="/api/v2", prefix_rewrite="/api", upstream=V2),
    )
    assert goes(world, "/api/items") == V1
    assert goes(world, "/api/items", headers={"accept": "application/json; version=2"}) == V2
    assert goes(world, "/api/v2/items") == V2
    assert world.get(HOST, "/api/v2/items").json()["path"] == "/api/items"


def test_a_redirect_leads_below_the_new_prefix_and_keeps_query_and_method(world: World) -> None:
    to = {"https_redirect": True, "host_redirect": "b.test", "port_redirect": 8443, "prefix_rewrite": "/"}
    serve(
        world,
        route("old", prefix="/old", redirect=to),
        route(
            "gone",
            match={"path": "/gone"},
            redirect={"path_redirect": "/here", "response_code": 301, "strip_query": True},
        ),
    )
    old = world.get(HOST, "/old/z?q=1", allow_redirects=False)
    assert (old.status_code, old.headers["location"]) == (307, "https://b.test:8443/z?q=1")
    gone = world.get(HOST, "/gone?q=1", allow_redirects=False)
    assert (gone.status_code, gone.headers["location"]) == (301, f"http://{HOST}/here")


def test_a_fixed_answer_asks_no_backend(world: World) -> None:
    answer = {"status": 503, "body": '{"closed": true}', "content_type": "application/json"}
    serve(world, route("closed", direct_response=answer))
    before = world.counts("shop-v1-a")["total"]
    got = world.get(HOST)
    assert (got.status_code, got.json(), got.headers["content-type"]) == (
        503,
        {"closed": True},
        "application/json",
    )
    assert world.counts("shop-v1-a")["total"] == before
