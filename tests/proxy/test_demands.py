"""What a declaration's access and quotas may name, and how a mistake is told."""

from typing import Any

import pytest

from proxy.domain import document
from proxy.domain.errors import Invalid
from tests.proxy import factories

IDP = {"name": "idp", "issuer": "https://idp.test", "audiences": ["shop"], "jwks": {"file": "idp.json"}}
OFFERED: dict[str, Any] = {
    "jwt_providers": [
        {**IDP, "claim_to_headers": [{"claim": "sub", "header": "X-User"}]},
        {**IDP, "name": "other"},
    ],
    "api_keys": [{"name": "partners", "file": "partners.keys"}],
    "ext_authz": [{"name": "policy", "address": "127.0.0.1", "port": 1}],
}


def told(*routes: dict[str, Any], **tier: Any) -> list[str]:
    """Every mistake as it is told, with the path below the tier."""
    full = [
        {"name": f"r{i}", "hosts": ["a.test"], "upstream": "shop-v1", **route}
        for i, route in enumerate(routes)
    ]
    given = factories.document(routes=full, **{**OFFERED, **tier})
    try:
        document.parse(given)
    except Invalid as invalid:
        return [f"{path.removeprefix('tiers[0].')}: {why}" for path, why in invalid.errors]
    return []


def test_what_is_offered_may_be_demanded() -> None:
    access = {"jwt": "idp", "api_keys": "partners", "ext_authz": "policy"}
    quotas = [{"requests": 1, "by": by} for by in ("route", "client", "remote_address", {"header": "x-user"})]
    assert told({"access": access, "quotas": quotas}) == []


@pytest.mark.parametrize(
    ("access", "why"),
    [
        ({"jwt": "nobody"}, "jwt: there is no JWT provider nobody"),
        ({"api_keys": "nobody"}, "api_keys: there are no API keys nobody"),
        ({"ext_authz": "nobody"}, "ext_authz: there is no authority nobody"),
        (
            {"client_certificates": {"any_validated_client_certificate": True}},
            "client_certificates: needs tls.client_certificates of the tier: nobody is asked for one",
        ),
    ],
)
def test_a_demand_that_nobody_could_meet_is_told(access: dict[str, Any], why: str) -> None:
    assert told({"access": access}) == [f"routes[0].access.{why}"]


@pytest.mark.parametrize(
    ("quota", "why"),
    [
        ({"by": "client"}, "by: client needs access.api_keys, which tells whose a request is"),
        (
            {"by": {"header": "x-tenant"}},
            "by.header: x-tenant is the client's own word: name it in identity_headers of the tier",
        ),
        (
            {"by": {"claim": {"provider": "idp", "claim": "tenant"}}},
            "by.claim: needs access.jwt with idp: else no request has a claim of it",
        ),
        ({"counted_by": "service"}, "counted_by: service needs rate_limit_service of the tier"),
    ],
)
def test_a_quota_that_would_count_nothing_is_told(quota: dict[str, Any], why: str) -> None:
    assert told({"quotas": [{"requests": 1, **quota}]}) == [f"routes[0].quotas[0].{why}"]


def test_a_quota_of_a_route_that_answers_by_itself_is_told() -> None:
    route = {
        "name": "r",
        "hosts": ["a.test"],
        "direct_response": {"status": 200},
        "quotas": [{"requests": 1}],
    }
    with pytest.raises(Invalid) as raised:
        document.parse(factories.document(routes=[route]))
    assert raised.value.errors[0][0] == "tiers[0].routes[0].quotas[0].requests"


def test_a_route_is_not_matched_by_a_header_that_is_taken_off_before() -> None:
    for name in ("X-User", "x-forwarded-user", "x-sluice-client"):
        (why,) = told({"match": {"headers": [{"name": name, "exact": "a"}]}})
        assert why.startswith("routes[0].match.headers[0]: ")
        assert "match claims instead" in why


def test_a_route_is_not_matched_by_a_token_that_ends_at_the_proxy() -> None:
    shown = {"headers": [{"name": "Authorization", "prefix": "Bearer "}]}
    (why,) = told({"match": shown})
    assert why.startswith("routes[0].match.headers[0]: authorization bears a token")
    providers = [{**IDP, "forward": True}]
    assert told({"match": shown}, jwt_providers=providers) == []


AUTHORITY = {**OFFERED["ext_authz"][0], "identity_headers": ["x-team"]}


@pytest.mark.parametrize(
    ("header", "access", "sticks", "hashes"),
    [
        ("x-visitor", {}, True, True),
        ("x-user", {}, False, False),
        ("x-user", {"jwt": "other"}, False, False),
        ("x-user", {"jwt": "idp"}, True, True),
        ("x-team", {"ext_authz": "policy"}, False, True),
        ("x-sluice-client", {"api_keys": "partners"}, False, True),
        ("x-remote-user", {"ext_authz": "policy"}, False, False),
    ],
)
def test_nothing_is_drawn_by_a_header_that_no_request_bears_then(
    header: str, access: dict[str, Any], sticks: bool, hashes: bool
) -> None:
    offered = {"ext_authz": [AUTHORITY]}
    sticky = told({"access": access, "sticky": {"header": header}}, **offered)
    assert [why.partition(":")[0] for why in sticky] == ([] if sticks else ["routes[0].sticky.header"])
    declared = factories.document()["tiers"][0]["upstreams"]
    by = [{**declared[0], "lb_policy": "ring_hash", "hash_on": {"header": header}}, *declared[1:]]
    hashed = told({"access": access}, upstreams=by, **offered)
    assert [why.partition(":")[0] for why in hashed] == ([] if hashes else ["upstreams[0].hash_on.header"])


def test_a_claim_does_not_lead_around_a_key_or_an_authority() -> None:
    gold = {"claims": [{"provider": "idp", "claim": "plan", "exact": "gold"}]}
    first = {"access": {"jwt": "idp"}}
    assert told({"match": gold, "access": {"jwt": "idp"}}, first) == []
    for access in ({"api_keys": "partners"}, {"ext_authz": "policy"}):
        (field,) = access
        why = f"routes[0].access.{field}: must be as in route r1, which takes a request before its claims are known"
        assert told({"match": gold, "access": access}, first) == [why]
        assert told({"match": gold, "access": access}, {"access": {"jwt": "idp", **access}}) == []


def test_where_keys_and_authorities_are_reached_is_checked() -> None:
    remote = {**IDP, "jwks": {"uri": "https://idp.test/keys", "upstream": "nowhere"}}
    plain = {**IDP, "name": "plain", "jwks": {"uri": "https://idp.test/keys", "upstream": "payments"}}
    policy = {"name": "policy", "protocol": "grpc", "upstream": "payments"}
    assert told(jwt_providers=[remote, plain], ext_authz=[policy]) == [
        "jwt_providers[0].jwks.upstream: there is no upstream nowhere",
        "jwt_providers[1].jwks.uri: https goes with an upstream that has tls, http with one that has none: payments",
        "ext_authz[0].upstream: gRPC needs protocol http2, which payments has not",
    ]


@pytest.mark.parametrize(
    ("section", "item", "path"),
    [
        ("jwt_providers", {**IDP, "audiences": []}, "jwt_providers[0].audiences"),
        ("jwt_providers", {**IDP, "jwks": {}}, "jwt_providers[0].jwks"),
        ("jwt_providers", {**IDP, "from_headers": []}, "jwt_providers[0]"),
        (
            "jwt_providers",
            {**IDP, "claim_to_headers": [{"claim": "a", "header": "host"}]},
            "jwt_providers[0].claim",
        ),
        (
            "jwt_providers",
            {**IDP, "claim_to_headers": [{"claim": "a", "header": "X-Sluice-Client"}]},
            "jwt_providers[0].claim",
        ),
        ("api_keys", {"name": "a", "file": "../a"}, "api_keys[0].file"),
        ("api_keys", {"name": "a", "file": "a", "key_sources": [{}]}, "api_keys[0].key_sources[0]"),
        ("ext_authz", {"name": "a"}, "ext_authz[0]"),
        ("ext_authz", {"name": "a", "address": "::1"}, "ext_authz[0]"),
    ],
)
def test_what_is_offered_must_be_whole(section: str, item: dict[str, Any], path: str) -> None:
    assert told(**{section: [item]})[0].startswith(path)


def test_a_route_of_other_paths_is_not_taken_for_the_one_before_a_claim() -> None:
    gold = {"prefix": "/shop", "claims": [{"provider": "idp", "claim": "plan", "exact": "gold"}]}
    first = {"prefix": "/shop", "access": {"jwt": "idp"}}
    keyed = {"jwt": "idp", "api_keys": "partners"}
    assert told({"match": gold}, first, {"prefix": "/partners", "access": keyed}) == []
    why = (
        "routes[0].access.api_keys: must be as in route r2, which takes a request before its claims are known"
    )
    for overlapping in ("/shop/a", "/"):
        assert told({"match": gold}, first, {"prefix": overlapping, "access": keyed}) == [why]


def test_a_list_of_allowed_clients_that_has_grown_empty_does_not_let_everybody_in() -> None:
    (why,) = told({"access": {"api_keys": {"keys": "partners", "allowed_clients": []}}})
    assert why.startswith("routes[0].access.api_keys.allowed_clients: names no client")


def test_a_key_is_not_looked_for_in_a_header_that_no_request_may_bear() -> None:
    sources = [{"name": "partners", "file": "partners.keys", "key_sources": [{"header": "api_key"}]}]
    (why,) = told({"access": {"api_keys": "partners"}}, api_keys=sources)
    assert why.startswith("api_keys[0].key_sources[0].header: has an underscore")
