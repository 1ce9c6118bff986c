"""Settings of tokens, keys, authorities and quotas that are not the default, on real Envoys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.http import Request, Response
from tests.proxy.guarded import IDP, Api, guarded
from tests.proxy.world import World
from tests.support.processes import wait_until
from tests.support.serving import serving
from tests.support.tokens import Issuer

pytestmark = pytest.mark.real

ACME = "acme-" + 24 * "1"
JWT: dict[str, Any] = {"access": {"jwt": "idp"}}


@pytest.fixture
def api(world: World, secrets: Path) -> Iterator[Api]:
    (secrets / "partners.keys").write_text(f"acme: {ACME}\n")
    with guarded(world, secrets) as api:
        yield api


def test_a_token_that_has_ended_is_taken_within_the_declared_skew_only(api: Api) -> None:
    ended = api.issuer.bearer(lasts=-20)
    api.serve(JWT, jwt_providers=[IDP])
    assert api.status(headers=ended) == 200
    api.serve(JWT, jwt_providers=[{**IDP, "clock_skew": "5s"}])
    assert api.status(headers=ended) == 401


def test_tokens_without_an_end_or_with_one_far_off_are_taken_as_declared(api: Api) -> None:
    endless, long = api.issuer.bearer(exp=None), api.issuer.bearer(lasts=7200)
    api.serve(JWT, jwt_providers=[{**IDP, "require_expiration": False}])
    assert [api.status(headers=shown) for shown in (endless, long)] == [200, 200]
    api.serve(JWT, jwt_providers=[{**IDP, "max_lifetime": "1h"}])
    assert [api.status(headers=shown) for shown in (endless, long)] == [401, 401]


def test_new_keys_of_a_provider_are_fetched_when_the_kept_ones_are_old(api: Api) -> None:
    """With the default, ten minutes, the new issuer would be a stranger meanwhile."""
    second, served = Issuer(kid="two"), [api.issuer]

    async def keys(request: Request) -> Response:
        return Response(200, served[0].jwks.encode())

    with serving(keys) as port:
        jwks = {"uri": "http://idp.test/keys", "upstream": "idp", "cache_duration": "8s"}
        idp = {"name": "idp", "endpoints": [{"port": port}]}
        api.serve(JWT, jwt_providers=[{**IDP, "jwks": jwks}], upstreams=[idp])
        assert api.status(headers=api.issuer.bearer()) == 200
        served[0] = second
        assert api.status(headers=second.bearer()) == 401
        wait_until(lambda: api.status(headers=second.bearer()) == 200, timeout=15, what="the new keys")


def test_a_key_goes_on_to_the_backend_where_that_is_declared(api: Api) -> None:
    for hidden in (True, False):
        keys = {"name": "partners", "file": "partners.keys", "hide_credentials": hidden}
        api.serve({"access": {"api_keys": "partners"}}, api_keys=[keys])
        arrived = api.arrives(headers={"x-api-key": ACME})
        assert arrived["x-sluice-client"] == "acme"
        assert ("x-api-key" in arrived) is not hidden


def test_a_client_sees_of_a_refusal_what_is_declared(api: Api) -> None:
    async def refuse(request: Request) -> Response:
        return Response(403, b"not you", {"x-why": "no contract", "x-secret": "of the authority"})

    with serving(refuse) as port:
        authority = {"name": "a", "address": "127.0.0.1", "port": port, "allowed_client_headers": ["x-why"]}
        api.serve({"access": {"ext_authz": "a"}}, ext_authz=[authority])
        refused = api.get()
    assert (refused.status_code, refused.headers["x-why"]) == (403, "no contract")
    assert "x-secret" not in refused.headers


def test_as_many_come_at_once_as_the_burst_lets(api: Api) -> None:
    """Of 1,000 an hour each of two proxies takes half; of a burst of 6 as well."""
    for quota, taken in (({"burst": 6}, 3), ({}, 20)):
        api.serve({"quotas": [{"requests": 1000, "unit": "hour", **quota}]})
        assert api.statuses(20).count(200) == taken
