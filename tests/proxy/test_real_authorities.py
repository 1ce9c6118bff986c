"""Authorities beside real Envoys: an HTTP one, and OAuth introspection by Sluice's own authoriser."""

import base64
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from lab.http import Request, Response
from tests.proxy.guarded import HOST, Api, guarded
from tests.proxy.world import World
from tests.support.processes import free_port, listening
from tests.support.serving import serving

pytestmark = pytest.mark.real


@pytest.fixture
def api(world: World, secrets: Path) -> Iterator[Api]:
    with guarded(world, secrets) as api:
        yield api


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Authority:
    """Lets `good` through as ann and everybody else not; keeps what it was asked."""

    seen: list[Request] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.seen.append(request)
        if request.headers.get("authorization") == "Bearer good":
            return Response(200, headers={"x-user": "ann", "x-secret": "of the authority"})
        return Response(403, b"not you", {"www-authenticate": "Bearer", "x-secret": "of the authority"})


def http_authority(port: int, **more: Any) -> dict[str, Any]:
    return {"name": "authority", "address": "127.0.0.1", "port": port, "identity_headers": ["x-user"], **more}


def test_an_authority_decides_and_says_who_it_is(api: Api) -> None:
    authority = Authority()
    with serving(authority.answer) as port:
        api.serve(
            {"prefix": "/open"},
            {"access": {"ext_authz": {"by": "authority", "context": {"scope": "orders"}}}},
            ext_authz=[http_authority(port, path_prefix="/check", allowed_headers=["x-tenant"])],
        )
        refused = api.get("/a", headers={**bearer("bad"), "x-user": "root"})
        assert (refused.status_code, refused.text) == (403, "not you")
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "x-secret" not in refused.headers
        assert not api.seen
        sent = {
            **bearer("good"),
            "x-user": "root",
            "x-tenant": "acme",
            "x-other": "1",
            "x-sluice-context-scope": "all",
        }
        arrived = api.arrives("/a?b=1", headers=sent)
        assert arrived["x-user"] == "ann"
        assert "x-secret" not in arrived
        asked = authority.seen[-1]
        assert (asked.method, asked.path, asked.headers["x-tenant"]) == ("GET", "/check/a", "acme")
        assert asked.headers["x-sluice-context-scope"] == "orders"
        assert not {"x-other", "cookie"} & {*asked.headers}
        before = len(authority.seen)
        assert "x-user" not in api.arrives("/open", headers={"x-user": "root"})
        assert len(authority.seen) == before


def test_a_body_is_shown_to_an_authority_only_where_that_is_asked_for(api: Api) -> None:
    authority = Authority()
    with serving(authority.answer) as port:
        ask = {"access": {"ext_authz": "authority"}}
        api.serve(ask, ext_authz=[http_authority(port)])
        api.get(method="POST", data=b"secret", headers=bearer("good"))
        api.serve(ask, ext_authz=[http_authority(port, with_request_body={"max_request_bytes": 8})])
        api.get(method="POST", data=b"shown", headers=bearer("good"))
        assert api.status(method="POST", data=b"far too long", headers=bearer("good")) == 413
    assert [request.body for request in authority.seen] == [b"", b"shown"]


def test_an_authority_that_is_gone_or_slow_lets_nobody_through_unless_that_is_declared(api: Api) -> None:
    async def slow(_: Request) -> Response:
        time.sleep(0.3)  # the whole authority hangs
        return Response(200)

    ask = {"access": {"ext_authz": "authority"}}
    api.serve({"name": "gone", **ask}, ext_authz=[http_authority(free_port())])
    assert api.status(headers=bearer("good")) == 503
    assert api.world.metric("envoy_sluice_rq", route="gone", code="503", reason="authority_unavailable") == 1
    with serving(slow) as port:
        api.serve(ask, ext_authz=[http_authority(port, timeout="100ms")])
        assert api.status(headers=bearer("good")) == 503
    assert not api.seen
    why = {"ext_authz.failure_mode_allow": "nothing behind it is anybody's"}
    api.serve(ask, ext_authz=[http_authority(free_port(), failure_mode_allow=True)], accepted=why)
    assert api.status() == 200


@dataclass
class AuthorizationServer:
    """Knows some tokens by what it says of them; keeps which it was asked about."""

    tokens: dict[str, dict[str, Any]]
    asked: list[str] = field(default_factory=list)
    down: bool = False

    async def answer(self, request: Request) -> Response:
        token = parse_qs(request.body.decode())["token"][0]
        self.asked.append(token)
        expected = "Basic " + base64.b64encode(b"sluice:s%26cret").decode()
        if self.down or request.headers.get("authorization") != expected:
            return Response(500)
        return Response.of(self.tokens.get(token, {"active": False}))


@contextlib.contextmanager
def introspection(api: Api, server: AuthorizationServer, *more: str) -> Iterator[dict[str, Any]]:
    """The authoriser as a process before the authorisation server, and its declaration."""
    (api.secrets / "oauth.secret").write_text("s&cret\n")
    port = free_port()
    with serving(server.answer) as at:
        who = ["--client-id", "sluice", "--client-secret", "oauth.secret"]
        argv = [
            "authorise",
            "--bind",
            f"127.0.0.1:{port}",
            "--url",
            f"http://127.0.0.1:{at}/introspect",
            *who,
        ]
        with api.world.manage(*argv, *more, log="authoriser.log", ready=lambda: listening(port)):
            yield {"name": "oauth", "protocol": "grpc", "address": "127.0.0.1", "port": port, "timeout": "2s"}


def test_a_token_is_let_through_by_what_its_authorisation_server_says(api: Api) -> None:
    later = int(time.time()) + 600
    server = AuthorizationServer(
        {
            "reader": {
                "active": True,
                "sub": "ann",
                "client_id": "app",
                "scope": "read",
                "exp": later,
                "aud": "shop",
            },
            "writer": {
                "active": True,
                "sub": "bob",
                "scope": "read write",
                "exp": later,
                "aud": ["shop", "x"],
            },
            "other": {"active": True, "scope": "read write", "exp": later, "aud": "other"},
            "ended": {"active": True, "scope": "read write", "exp": 1, "aud": "shop"},
        }
    )
    with introspection(api, server, "--audience", "shop") as oauth:
        api.serve(
            {
                "prefix": "/write",
                "access": {"ext_authz": {"by": "oauth", "context": {"scope": "read write"}}},
            },
            {"access": {"ext_authz": "oauth"}},
            ext_authz=[oauth],
        )
        none = api.get(headers={})
        assert (none.status_code, none.headers["www-authenticate"]) == (401, "Bearer")
        bad = api.get(headers=bearer("unknown"))
        assert (bad.status_code, bad.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
        refused = {name: api.status(headers=bearer(name)) for name in ("other", "ended", "rea der")}
        assert refused == dict.fromkeys(refused, 401)
        assert api.status(headers={"Authorization": "Basic reader"}) == 401
        narrow = api.get("/write", headers=bearer("reader"))
        assert narrow.status_code == 403
        assert 'error="insufficient_scope", scope="read write"' in narrow.headers["www-authenticate"]
        assert not api.seen
        arrived = api.arrives(headers={**bearer("reader"), "x-sluice-sub": "root"})
        told = {name: arrived.get(f"x-sluice-{name}") for name in ("sub", "client-id", "scope")}
        assert told == {"sub": "ann", "client-id": "app", "scope": "read"}
        assert "authorization" not in arrived
        assert api.arrives("/write", headers=bearer("writer"))["x-sluice-sub"] == "bob"
        with ThreadPoolExecutor(8) as clients:
            url = f"http://127.0.0.1:{api.world.ports['EDGE_1_HTTP_PORT']}/"
            ask = lambda _: requests.get(url, headers={"Host": HOST, **bearer("many")}, timeout=5)  # noqa: E731
            assert {answer.status_code for answer in clients.map(ask, range(8))} == {401}
        assert sorted(server.asked) == [
            "ended",
            "many",
            "other",
            "reader",
            "unknown",
            "writer",
        ]  # each once: kept


def test_an_authorisation_server_that_is_down_lets_nobody_through_and_what_is_known_goes_on(api: Api) -> None:
    server = AuthorizationServer({"good": {"active": True}})
    with introspection(api, server) as oauth:
        api.serve({"access": {"ext_authz": "oauth"}}, ext_authz=[oauth])
        assert api.status(headers=bearer("good")) == 200
        server.down = True
        assert api.status(headers=bearer("another")) == 503
        assert api.status(headers=bearer("good")) == 200
        server.down = False
        assert api.status(headers=bearer("another")) == 401
        assert "another" not in api.world.log("authoriser")
