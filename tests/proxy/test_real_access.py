"""Access on real Envoys: what a route asks for must be there, and nobody says by himself who he is."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import call_command

from lab.http import Request, Response
from proxy.domain.tier import FORWARDED_IDENTITY
from proxy.models import Revision
from tests.proxy.guarded import HOST, IDP, Api, guarded
from tests.proxy.world import World
from tests.support.handshakes import Connection, ticket, trusting
from tests.support.processes import free_port, wait_until
from tests.support.serving import serving
from tests.support.tokens import Issuer

pytestmark = pytest.mark.real

ACME, ZETA = "acme-" + 24 * "1", "zeta-" + 24 * "2"
OPTIONAL = {"jwt": {"any_of": ["idp"], "allow_missing": True}}
BECAUSE = {"access.jwt.allow_missing": "there is something for everybody"}
PARTNERS = {"name": "partners", "file": "partners.keys"}


@pytest.fixture
def api(world: World, secrets: Path) -> Iterator[Api]:
    (secrets / "partners.keys").write_text(f"# as of today\nacme: {ACME}\nzeta: {ZETA}\n")
    with guarded(world, secrets) as api:
        yield api


def key(value: str) -> dict[str, str]:
    return {"x-api-key": value}


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


def test_a_token_is_looked_for_where_it_is_declared_to_be_and_ends_there(api: Api) -> None:
    places = {"from_headers": [{"name": "x-token", "value_prefix": "jwt "}], "from_params": ["token"]}
    api.serve({"access": {"jwt": "idp"}}, jwt_providers=[{**IDP, **places}])
    token = api.issuer.token()
    assert api.status(headers=api.issuer.bearer()) == 401
    assert api.status(headers={"x-token": token}) == 401
    assert "x-token" not in api.arrives(headers={"x-token": f"jwt {token}"})
    api.arrives(f"/?token={token}&a=1")
    assert api.seen[-1].query == {"a": "1"}


def test_a_token_goes_on_to_the_backend_where_that_is_declared(api: Api) -> None:
    api.serve({"access": {"jwt": "idp"}}, jwt_providers=[{**IDP, "forward": True}])
    assert api.arrives(headers=api.issuer.bearer())["authorization"].startswith("Bearer ")


def test_a_token_of_any_of_several_providers_is_let_through(api: Api) -> None:
    second = Issuer(issuer="https://second.test")
    (api.secrets / "second.json").write_text(second.jwks)
    other = {**IDP, "name": "second", "issuer": second.issuer, "jwks": {"file": "second.json"}}
    either, one = {"jwt": {"any_of": ["idp", "second"]}}, {"jwt": "second"}
    api.serve({"prefix": "/second", "access": one}, {"access": either}, jwt_providers=[IDP, other])
    assert [api.status(headers=issuer.bearer()) for issuer in (api.issuer, second, Issuer())] == [
        200,
        200,
        401,
    ]
    assert [api.status("/second", headers=issuer.bearer()) for issuer in (api.issuer, second)] == [401, 200]


def test_a_claim_chooses_the_route(api: Api) -> None:
    gold = {"claims": [{"provider": "idp", "claim": "plan", "exact": "gold"}]}
    api.serve(
        {"match": gold, "prefix_rewrite": "/gold"},
        {"access": OPTIONAL, "accepted": BECAUSE},
        jwt_providers=[IDP],
    )
    assert api.get(headers=api.issuer.bearer(plan="gold")).status_code == 200
    assert api.get(headers=api.issuer.bearer(plan="free")).status_code == 200
    assert [request.path for request in api.seen] == ["/gold/", "/"]
    strangers = (Issuer(), Issuer(issuer="https://other.test"))
    assert [api.status(headers=one.bearer(plan="gold")) for one in strangers] == [401, 401]


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


def test_only_a_key_of_an_allowed_client_is_let_through_and_the_backend_is_told_whose(api: Api) -> None:
    acme_only = {"keys": "partners", "allowed_clients": ["acme"]}
    api.serve(
        {"prefix": "/acme", "access": {"api_keys": acme_only}},
        {"access": {"api_keys": "partners"}},
        api_keys=[PARTNERS],
    )
    assert api.status() == 401
    assert api.status(headers=key("acme")) == 401
    assert api.status(headers=key("client: acme")) == 401
    assert api.status("/acme", headers=key(ZETA)) == 403
    assert not api.seen
    arrived = api.arrives(headers={**key(ZETA), "x-sluice-client": "acme"})
    assert arrived["x-sluice-client"] == "zeta"
    assert "x-api-key" not in arrived
    assert api.arrives("/acme", headers=key(ACME))["x-sluice-client"] == "acme"


def test_a_key_is_looked_for_where_it_is_declared_to_be(api: Api) -> None:
    places = [{"query": "key"}, {"cookie": "key"}, {"header": "authorization"}]
    api.serve({"access": {"api_keys": "partners"}}, api_keys=[{**PARTNERS, "key_sources": places}])
    assert api.status(headers=key(ACME)) == 401
    assert api.status(f"/?key={ACME}&a=1") == 200
    assert api.seen[-1].query == {"a": "1"}
    assert api.status(headers={"Cookie": f"key={ACME}"}) == 200
    assert "authorization" not in api.arrives(headers={"Authorization": f"Bearer {ACME}"})


def test_a_key_that_is_taken_out_of_the_file_is_refused_at_once(api: Api) -> None:
    api.serve({"access": {"api_keys": "partners"}}, api_keys=[PARTNERS])
    assert api.status(headers=key(ACME)) == 200
    fresh = "acme-" + 24 * "3"
    (api.secrets / "partners.keys").write_text(f"acme: {fresh}\n")
    wait_until(lambda: api.status(headers=key(fresh)) == 200, timeout=5, what="the new key obeyed")
    assert api.status(headers=key(ACME)) == 401


def test_a_file_of_keys_that_is_gone_or_broken_changes_nothing(api: Api) -> None:
    api.serve({"access": {"api_keys": "partners"}}, api_keys=[PARTNERS])
    (api.secrets / "partners.keys").write_text("acme: short\n")
    wait_until(lambda: "partners.keys line 1" in api.world.log("xds"), timeout=5, what="the broken file told")
    assert api.status(headers=key(ACME)) == 200
    assert api.status() == 401


def test_no_key_is_shown_by_the_database_a_page_or_a_proxy(api: Api) -> None:
    api.serve({"access": {"api_keys": "partners"}}, api_keys=[PARTNERS])
    shown = requests.get(f"http://{api.world.admin()}/config_dump", timeout=5).text
    assert "envoy.filters.http.api_key_auth.partners" in shown
    assert ACME not in shown
    assert ACME not in api.world.log("xds")
    call_command("export", stdout=(exported := StringIO()))
    assert "partners.keys" in exported.getvalue()
    assert ACME not in exported.getvalue() + "".join(str(row.document) for row in Revision.objects.all())


def test_a_connection_from_before_is_not_let_through_where_something_is_demanded_now(api: Api) -> None:
    api.serve({})
    demands = (
        {"jwt": "idp"},
        {"api_keys": "partners"},
        {"ext_authz": "authority"},
        {"client_certificates": {"any_validated_client_certificate": True}},
    )
    known = {
        "jwt_providers": [IDP],
        "api_keys": [PARTNERS],
        "ext_authz": [{"name": "authority", "address": "127.0.0.1", "port": free_port()}],
        "tls": {"client_certificates": {"ca": "local", "mode": "optional"}},
    }
    with requests.Session() as before:
        url = f"http://127.0.0.1:{api.world.ports['EDGE_1_HTTP_PORT']}/"
        assert before.get(url, headers={"Host": HOST}).status_code == 200
        found = []
        for access in demands:
            api.serve({"access": access}, **known)
            found.append(
                before.get(url, headers={"Host": HOST, **key(ACME), **api.issuer.bearer()}).status_code
            )
    assert found == [403, 403, 403, 403]


def test_keys_that_the_proxies_fetch_verify_and_without_them_nobody_is_let_through(api: Api) -> None:
    async def keys(request: Request) -> Response:
        return Response(200, api.issuer.jwks.encode()) if request.path == "/keys" else Response(404)

    def remote(path: str) -> dict[str, Any]:
        return {**IDP, "jwks": {"uri": f"http://idp.test{path}", "upstream": "idp"}}

    with serving(keys) as port:
        idp = {"name": "idp", "endpoints": [{"port": port}]}
        api.serve({"access": {"jwt": "idp"}}, jwt_providers=[remote("/gone")], upstreams=[idp])
        assert api.status(headers=api.issuer.bearer()) == 401
        api.serve({"access": {"jwt": "idp"}}, jwt_providers=[remote("/keys")], upstreams=[idp])
        assert api.status(headers=api.issuer.bearer()) == 200
    assert api.status(headers=api.issuer.bearer()) == 200  # kept
    assert api.status(headers=Issuer().bearer()) == 401


def test_a_host_is_the_same_however_it_is_spelt(api: Api) -> None:
    api.serve({"access": {"jwt": "idp"}}, {"hosts": ["*"]}, jwt_providers=[IDP])
    spelt = (HOST.upper(), f"{HOST}:1234", f"{HOST}.", f"{HOST}.:1234")
    assert [api.world.get(host).status_code for host in spelt] == [401, 401, 401, 401]
    assert api.world.get("other.test").status_code == 200


def test_a_client_is_known_by_the_names_in_its_certificate_and_on_tls_only(api: Api) -> None:
    billing, shipping = (api.certified(f"spiffe://shop/{name}") for name in ("billing", "shipping"))
    api.serve(
        {"prefix": "/any", "access": {"client_certificates": {"any_validated_client_certificate": True}}},
        {"prefix": "/shop", "access": {"client_certificates": {"subject_alt_names": ["spiffe://shop/*"]}}},
        {"access": {"client_certificates": {"subject_alt_names": ["spiffe://shop/billing"]}}},
        tls={"client_certificates": {"ca": "local", "mode": "optional"}},
    )
    port, authority = api.world.ports["EDGE_1_HTTPS_PORT"], api.world.var / "pki" / "ca.pem"

    def statuses(shows: tuple[Path, Path] | None) -> list[int]:
        with Connection(port, trusting(authority, shows=shows), name=HOST) as connection:
            spoofed = {"x-forwarded-client-cert": "URI=spiffe://shop/billing"}
            return [connection.ask(path, spoofed).status for path in ("/any", "/shop", "/")]

    assert statuses(billing) == [200, 200, 200]
    assert statuses(shipping) == [200, 200, 403]
    assert statuses(None) == [403, 403, 403]
    assert api.status() == 403


def test_a_resumed_session_is_known_by_the_same_certificate(api: Api) -> None:
    only = {"subject_alt_names": ["spiffe://shop/billing"]}
    shows = api.certified("spiffe://shop/billing")
    clients = {"client_certificates": {"ca": "local", "mode": "optional"}}
    api.serve({"access": {"client_certificates": only}}, tls=clients)
    port, context = (
        api.world.ports["EDGE_1_HTTPS_PORT"],
        trusting(api.world.var / "pki" / "ca.pem", shows=shows),
    )
    session = ticket(port, context, name=HOST)
    with Connection(port, context, name=HOST, session=session) as connection:
        assert connection.socket.session_reused
        assert connection.ask().status == 200


SPOOFED = {
    "x-user": "root",
    "X-Org": "root",
    "x-role": "root",
    "x-tenant": "root",
    "x-sluice-client": "root",
    "x-sluice-anything": "root",
    "x-envoy-retry-on": "5xx",
    "x-forwarded-user": "root",
    "X-Auth-Request-Email": "root",
    "x-forwarded-client-cert": "URI=spiffe://root",
}


@pytest.mark.parametrize(
    "route",
    [{}, {"access": OPTIONAL, "accepted": BECAUSE}, {"access": {"api_keys": "partners"}}],
    ids=["open", "token", "key"],
)
def test_nobody_says_by_himself_who_he_is(route: dict[str, Any], api: Api) -> None:
    api.serve(
        route,
        jwt_providers=[IDP],
        api_keys=[PARTNERS],
        ext_authz=[
            {"name": "policy", "address": "127.0.0.1", "port": free_port(), "identity_headers": ["x-role"]}
        ],
        identity_headers=["x-tenant", *FORWARDED_IDENTITY],
    )
    arrived = api.arrives(headers={**SPOOFED, **key(ACME)})
    assert "root" not in {value for name, value in arrived.items() if name != "x-sluice-client"}
    assert arrived.get("x-sluice-client") == ("acme" if "api_keys" in route.get("access", {}) else None)
    assert not {name.lower() for name in SPOOFED} & {*arrived} - {"x-sluice-client"}


def test_common_identity_headers_are_taken_off_without_a_word_in_the_declaration(api: Api) -> None:
    api.serve({})
    spoofed = dict.fromkeys(FORWARDED_IDENTITY, "root")
    assert not {*spoofed} & {*api.arrives(headers=spoofed)}


def test_all_demands_must_be_met_and_each_that_is_not_is_refused_as_nobodys_failure(api: Api) -> None:
    async def authority(request: Request) -> Response:
        return Response(200 if request.headers.get("x-ok") else 403)

    with serving(authority) as port:
        policy = {"name": "policy", "address": "127.0.0.1", "port": port, "allowed_headers": ["x-ok"]}
        demands = {"jwt": "idp", "api_keys": "partners", "ext_authz": "policy"}
        api.serve(
            {"name": "guarded", "access": demands},
            jwt_providers=[IDP],
            api_keys=[PARTNERS],
            ext_authz=[policy],
        )
        met = {"jwt": api.issuer.bearer(), "api_keys": key(ACME), "ext_authz": {"x-ok": "1"}}
        wrong = {"jwt": Issuer().bearer(), "api_keys": key(ACME + "x"), "ext_authz": {}}
        for one in demands:
            shown = {**met, one: wrong[one]}
            refused = api.status(
                headers={name: value for part in shown.values() for name, value in part.items()}
            )
            assert refused == (403 if one == "ext_authz" else 401)
        assert api.status() == 401
        assert not api.seen
        assert api.status(headers={**met["jwt"], **met["api_keys"], **met["ext_authz"]}) == 200
    count = api.world.metric
    assert count("envoy_sluice_rq", route="guarded", reason="auth") == 4
    assert count("envoy_sluice_rq", route="guarded", reason="backend") == 1
    assert count("envoy_sluice_rq", route="guarded") == 5


def test_a_proxy_that_never_got_the_keys_lets_nobody_through_and_serves_the_rest(api: Api) -> None:
    world = api.world
    third: dict[str, Any] = {"name": "edge-3"}
    for kind in ("http_port", "https_port", "admin_port"):
        third[kind] = world.ports[f"EDGE_3_{kind.upper()}"] = free_port()
    proxies = [*world.declared()["tiers"][0]["proxies"], third]
    guarded = [
        {"prefix": "/jwt", "access": {"jwt": "idp"}},
        {"prefix": "/key", "access": {"api_keys": "partners"}},
    ]
    change = {"jwt_providers": [IDP], "api_keys": [PARTNERS], "proxies": proxies}
    api.declare({}, *guarded, **change)
    for name in ("idp.json", "partners.keys"):
        (api.secrets / name).unlink()
    told = lambda: world.log("xds").count("No such file or directory; the proxies keep") >= 2  # noqa: E731
    wait_until(told, timeout=5, what="the missing files told")
    with world.envoy("edge-3"):
        shown = {**api.issuer.bearer(), **key(ACME)}
        found = [api.status(path, proxy="EDGE_3", headers=shown) for path in ("/jwt", "/key", "/")]
    assert found == [403, 401, 200]
