"""How TLS is declared: what is safe without a word, and what is refused."""

import pytest

from proxy.domain import document as declaration
from proxy.domain.errors import Invalid
from proxy.domain.tier import Tls
from proxy.domain.translate import listeners, runtime
from tests.proxy.factories import document, tier

UPSTREAM = {"name": "shop-v1", "endpoints": [{"port": 1}]}


def refused(**changes: object) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as raised:
        declaration.parse(document(**changes))
    return raised.value.errors


def test_nothing_has_to_be_declared_to_be_safe() -> None:
    default = Tls()
    assert default.tls_minimum_protocol_version == "TLSv1_2"
    assert default.ecdh_curves[0] == "X25519MLKEM768"
    assert default.http3
    assert not default.requires_client_certificate


@pytest.mark.parametrize("file", ["/etc/passwd", "../ca.pem", "a//b.pem", "a/../../b.pem", ""])
def test_a_file_outside_the_secrets_directory_is_refused(file: str) -> None:
    ((path, message),) = refused(tls={"client_certificates": {"ca": file}})
    assert path == "tiers[0].tls.client_certificates.ca"
    assert "below the secrets directory" in message


def test_clients_are_not_certified_by_whoever_sells_certificates() -> None:
    ((path, message),) = refused(tls={"client_certificates": {"ca": "system"}})
    assert path == "tiers[0].tls.client_certificates"
    assert "any public certificate" in message


def test_a_backend_is_verified_by_some_name() -> None:
    ((path, message),) = refused(upstreams=[{**UPSTREAM, "tls": {"ca": "local"}}], routes=[])
    assert path == "tiers[0].upstreams[0].tls"
    assert "sni or subject_alt_names" in message


@pytest.mark.parametrize("tickets", [{"life": "1.5s"}, {"life": "24h", "rotate_every": "1h"}])
def test_a_ticket_s_life_is_whole_seconds_and_few_rotations(tickets: dict[str, str]) -> None:
    ((path, _),) = refused(tls={"session_tickets": tickets})
    assert path == "tiers[0].tls.session_tickets"


@pytest.mark.parametrize(
    "change",
    [{"tls": {"http3": False}}, {"proxy_protocol": True}, {"limits": {"max_connections_per_address": 10}}],
)
def test_http3_is_not_served_where_it_would_go_around_a_protection(change: dict[str, object]) -> None:
    given = tier(**change)
    assert [made["name"] for made in listeners.listeners(given, "edge-1")] == ["edge-http", "edge-https"]


def test_each_listener_has_its_limit_of_connections() -> None:
    *tcp, quic = listeners.listeners(tier(), "edge-1")
    limits = runtime.standing_keys(tier())
    names = [f"envoy.resource_limits.listener.{item['name']}.connection_limit" for item in tcp]
    assert [limits[name] for name in names] == [10_000, 10_000]
    assert quic["filter_chains"][0]["filters"][0]["typed_config"]["max_connections"] == 10_000


def test_a_session_lasts_no_longer_than_tls_knows() -> None:
    ((path, message),) = refused(tls={"session_tickets": {"rotate_every": "1d", "life": "8d"}})
    assert path == "tiers[0].tls.session_tickets"
    assert "at most 7d" in message


@pytest.mark.parametrize(
    ("key", "values"), [("ecdh_curves", ["X25519", "X25519"]), ("alpn_protocols", ["h2", "h2"])]
)
def test_what_stands_in_the_order_of_preference_stands_once(key: str, values: list[str]) -> None:
    ((path, message),) = refused(tls={key: values})
    assert (path, message) == (f"tiers[0].tls.{key}", f"{values[0]} stands there twice")


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"sni": "10.0.0.7"}, "sni", "subject_alt_names"),
        ({"sni": "Shop.internal"}, "sni", "lower case"),
        ({"sni": "*.internal"}, "sni", "not a host name"),
        ({"subject_alt_names": [""]}, "subject_alt_names[0]", "spiffe://"),
        ({"subject_alt_names": ["a.test", "b test"]}, "subject_alt_names[1]", "neither a host name"),
    ],
)
def test_a_name_that_no_backend_could_bear_is_refused(
    given: dict[str, object], path: str, message: str
) -> None:
    ((told, why),) = refused(upstreams=[{**UPSTREAM, "tls": given}], routes=[], objectives=[])
    assert told == f"tiers[0].upstreams[0].tls.{path}"
    assert message in why


def test_a_backend_is_known_by_a_host_name_an_address_or_a_uri() -> None:
    names = ("shop.internal", "10.0.0.7", "::1", "spiffe://shop/a")
    made = tier(upstreams=[{**UPSTREAM, "tls": {"subject_alt_names": names}}], routes=[], objectives=[])
    settings = made.upstreams[0].tls
    assert settings is not None
    assert settings.subject_alt_names == names


def test_a_certificate_of_either_form_is_told_by_its_path_in_the_file() -> None:
    def told(given: object) -> set[str]:
        upstream = {**UPSTREAM, "tls": {"sni": "a.test", "client_certificate": given}}
        found = refused(upstreams=[upstream], routes=[], objectives=[])
        return {path.removeprefix("tiers[0].upstreams[0].tls.") for path, _ in found}

    assert told("teir") == {"client_certificate"}
    assert "client_certificate.private_key" in told({"certificate_chain": "a.pem"})
