"""Access on real Envoys: what a route asks for must be there, and nobody says by himself who he is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.http import Request
from tests.proxy.clients import backend
from tests.proxy.world import World
from tests.support.processes import wait_until
from tests.support.tokens import Issuer

pytestmark = pytest.mark.real

HOST = "api.test"
IDP = {
    "name": "idp",
    "issuer": "https://idp.test",
    "audiences": ["shop"],
    "jwks": {"file": "idp.json"},
    "claim_to_headers": [{"claim": "sub", "header": "x-user"}, {"claim": ["org", "name"], "header": "x-org"}],
}


@dataclass
class Api:
    """A tier before a backend of the test's own, which keeps what reaches it."""

    world: World
    port: int
    secrets: Path
    seen: list[Request] = field(default_factory=list)
    issuer: Issuer = field(default_factory=Issuer)

    def serve(self, *routes: dict[str, Any], **tier: Any) -> None:
        """These routes, with a host and an upstream where they name none."""
        (self.secrets / "idp.json").write_text(self.issuer.jwks)
        full = [{"name": f"r{i}", "hosts": [HOST], "upstream": "api", **route} for i, route in enumerate(routes)]
        upstreams = [{"name": "api", "endpoints": [{"port": self.port}]}, *tier.pop("upstreams", [])]
        change = {"upstreams": upstreams, "routes": full, "objectives": [], **tier}
        self.world.wait_acked(self.world.apply(change))

    def get(self, path: str = "/", **more: Any) -> requests.Response:
        return self.world.get(HOST, path, **more)

    def status(self, path: str = "/", **more: Any) -> int:
        return self.get(path, **more).status_code

    def arrives(self, path: str = "/", **more: Any) -> dict[str, str]:
        """The headers of the request as the backend got it."""
        self.seen.clear()
        answer = self.get(path, **more)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return dict(self.seen[-1].headers)


@pytest.fixture
def api(world: World, secrets: Path) -> Iterator[Api]:
    seen: list[Request] = []
    with backend(seen) as port:
        yield Api(world, port, secrets, seen)


def test_only_a_token_that_is_good_in_every_way_is_let_through(api: Api) -> None:
    api.serve({"access": {"jwt": "idp"}}, jwt_providers=[IDP])
    good, stranger = api.issuer, Issuer()
    wrong: dict[str, dict[str, str]] = {
        "none": {},
        "no token": {"Authorization": "Bearer x.y.z"},
        "another scheme": {"Authorization": f"Basic {good.token()}"},
        "signed by a stranger": stranger.bearer(),
        "of another issuer": good.bearer(iss="https://other.test"),
        "expired": good.bearer(lasts=-120),
        "not yet": good.bearer(nbf=2**33),
        "without an end": good.bearer(exp=None),
        "in the query only": {},
    }
    assert {name: api.status(headers=headers) for name, headers in wrong.items()} == dict.fromkeys(wrong, 401)
    assert api.status(headers=good.bearer(aud="another service")) == 403
    assert api.status(f"/?access_token={good.token()}") == 401
    assert not api.seen
    assert api.status(headers=good.bearer()) == 200
    assert api.status(headers=good.bearer(lasts=-30)) == 200  # within the clock's skew


def test_the_claims_are_told_to_the_backend_and_the_token_is_not(api: Api) -> None:
    api.serve({"access": {"jwt": "idp"}}, jwt_providers=[IDP])
    spoofed = {"x-user": "root", "x-org": "root"}
    arrived = api.arrives(headers={**api.issuer.bearer(org={"name": "acme"}), **spoofed})
    assert (arrived["x-user"], arrived["x-org"]) == ("ann", "acme")
    assert "authorization" not in arrived
    assert "x-org" not in api.arrives(headers={**api.issuer.bearer(), **spoofed})


def test_a_claim_chooses_the_route(api: Api) -> None:
    gold = {"claims": [{"provider": "idp", "claim": "plan", "exact": "gold"}]}
    api.serve(
        {"match": gold, "prefix_rewrite": "/gold"},
        {"access": {"jwt": {"any_of": ["idp"], "allow_missing": True}}},
        jwt_providers=[IDP],
    )
    assert api.get(headers=api.issuer.bearer(plan="gold")).status_code == 200
    assert api.get(headers=api.issuer.bearer(plan="free")).status_code == 200
    assert [request.path for request in api.seen] == ["/gold/", "/"]
    assert api.status(headers=Issuer().bearer(plan="gold")) == 401


def test_new_signing_keys_are_obeyed_and_no_listener_is_rebuilt_for_them(api: Api) -> None:
    api.serve({"access": {"jwt": "idp"}}, jwt_providers=[IDP])
    assert api.status(headers=api.issuer.bearer()) == 200
    rebuilt = "envoy_listener_manager_listener_(?:in_place_updated|modified)"
    before = api.world.metric(rebuilt)
    fresh = Issuer(kid="two")
    (api.secrets / "idp.json").write_text(fresh.jwks)
    wait_until(lambda: api.status(headers=fresh.bearer()) == 200, timeout=5, what="the new key obeyed")
    assert api.status(headers=api.issuer.bearer()) == 401
    assert api.world.metric(rebuilt) == before
