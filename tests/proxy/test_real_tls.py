"""TLS on real Envoys: certificates, tickets and client certificates; what is declared is what a client meets."""

import contextlib
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone
from pytest_django import Settings

from audit import selectors as audit
from lab import greeter
from proxy import pki, selectors, services, tickets
from proxy.domain.tier import SessionTickets
from tests.proxy.factories import weights
from tests.proxy.world import BY, World, at
from tests.support.echo import echoing
from tests.support.handshakes import Connection, refused, resumes, ticket, trusting
from tests.support.processes import wait_until

pytestmark = pytest.mark.real
SHOP = "shop.test"


@pytest.fixture
def secrets(world: World, settings: Settings) -> Path:
    """The secrets directory of the world, for this process too."""
    settings.SECRETS = world.var / "secrets"
    settings.SECRETS.mkdir(exist_ok=True)
    return world.var / "secrets"


def port(world: World, proxy: str = "EDGE_1") -> int:
    return world.ports[f"{proxy}_HTTPS_PORT"]


def authority(world: World) -> Path:
    return world.var / "pki" / "ca.pem"


def keep(folder: Path, name: str, made: tuple[bytes, bytes]) -> dict[str, str]:
    """The pair as files, and how a declaration names them."""
    (folder / f"{name}.pem").write_bytes(made[0])
    (folder / f"{name}.key").write_bytes(made[1])
    return {"certificate_chain": f"{name}.pem", "private_key": f"{name}.key"}


def issued(world: World, *names: str) -> tuple[bytes, bytes]:
    """By the world's own authority, for a server."""
    with pki.locked(world.var / "pki"):
        own = pki.ensure_authority(world.var / "pki", timezone.now())
    return pki.issue(names, *own, now=timezone.now())


def client_of(world: World, folder: Path, uri: str, name: str = "client") -> tuple[Path, Path]:
    """A client's certificate and key by the world's own authority."""
    made = pki.issue_identity(
        world.var / "pki", uri=uri, server=False, life=timedelta(days=1), now=timezone.now()
    )
    keep(folder, name, (made.certificate.encode(), made.key.encode()))
    return folder / f"{name}.pem", folder / f"{name}.key"


def applied(world: World, change: dict[str, Any]) -> None:
    world.wait_acked(world.apply(change))


def echo_upstream(number: int, **more: Any) -> dict[str, Any]:
    return {
        "upstreams": [{"name": "echo", "endpoints": [{"port": number}], **more}],
        "routes": [{"name": "echo", "hosts": [SHOP], "upstream": "echo"}],
        "objectives": [],
    }


def serial(world: World, name: str = SHOP) -> int:
    with Connection(port(world), trusting(authority(world)), name=name) as connection:
        return connection.certificate.serial_number


def number_of(made: tuple[bytes, bytes]) -> int:
    return x509.load_pem_x509_certificates(made[0])[0].serial_number


def test_the_oldest_version_is_the_declared_one(world: World) -> None:
    context = trusting(authority(world))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Connection(port(world), context, name=SHOP) as connection:
        assert connection.socket.version() == "TLSv1.2"
    applied(world, {"tls": {"tls_minimum_protocol_version": "TLSv1_3"}})
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        Connection(port(world), context, name=SHOP)


def test_keys_are_agreed_on_declared_curves_only(world: World) -> None:
    context = trusting(authority(world))
    context.set_ecdh_curve("prime256v1")
    assert not refused(port(world), context, name=SHOP)
    applied(world, {"tls": {"ecdh_curves": ["X25519"]}})
    assert refused(port(world), context, name=SHOP)


def test_the_protocols_are_offered_as_declared(world: World) -> None:
    context = trusting(authority(world))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Connection(port(world), context, name=SHOP) as connection:
        assert connection.socket.selected_alpn_protocol() == "h2"
    applied(world, {"tls": {"alpn_protocols": ["http/1.1"]}})
    with Connection(port(world), context, name=SHOP) as connection:
        assert connection.socket.selected_alpn_protocol() == "http/1.1"


def test_the_client_s_name_chooses_among_own_certificates(world: World, secrets: Path) -> None:
    shop, pay = issued(world, SHOP), issued(world, "payments.test", "*.pay.test")
    certificates = [keep(secrets, "shop", shop), keep(secrets, "pay", pay)]
    applied(world, {"tls": {"certificates": certificates}})
    assert serial(world) == number_of(shop)
    assert serial(world, "payments.test") == serial(world, "eu.pay.test") == number_of(pay)
    assert serial(world, "admin.test") not in {number_of(shop), number_of(pay)}


def on_rsa(world: World, name: str) -> tuple[bytes, bytes]:
    """As `issued`, on an RSA key."""
    ca, ca_key = pki.authority_in(world.var / "pki")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = timezone.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return made.public_bytes(pem), key.private_bytes(pem, pkcs8, serialization.NoEncryption())


def test_an_own_certificate_goes_before_the_local_one_on_rsa_and_by_a_wildcard_too(
    world: World, secrets: Path
) -> None:
    """Envoy would show one on ECDSA before one on RSA, and an exact name before a wildcard's."""
    shop, wild = on_rsa(world, SHOP), issued(world, "*.shop.test")
    hosts = {"routes": [{"name": "all", "hosts": [SHOP, "eu.shop.test"], "upstream": "shop-v1"}]}
    applied(world, {**hosts, "objectives": []})
    local = {serial(world), serial(world, "eu.shop.test")}
    own = [keep(secrets, "shop", shop), keep(secrets, "wild", wild)]
    applied(world, {**hosts, "objectives": [], "tls": {"certificates": own}})
    assert (serial(world), serial(world, "eu.shop.test")) == (number_of(shop), number_of(wild))
    applied(world, {**hosts, "objectives": []})
    assert local.isdisjoint({number_of(shop), number_of(wild)})
    assert {serial(world), serial(world, "eu.shop.test")}.isdisjoint({number_of(shop), number_of(wild)})


def test_a_renewed_certificate_is_shown_without_a_connection_lost(world: World, secrets: Path) -> None:
    old, new = issued(world, SHOP), issued(world, SHOP)
    applied(world, {"tls": {"certificates": [keep(secrets, "shop", old)]}})
    with Connection(port(world), trusting(authority(world)), name=SHOP) as held:
        assert held.certificate.serial_number == number_of(old)
        keep(secrets, "shop", new)

        def shown() -> bool:
            assert held.ask().status == 200
            return serial(world) == number_of(new)

        wait_until(shown, timeout=10, what="the new certificate")
        assert held.ask().status == 200


def test_a_broken_file_is_not_pushed_and_the_rest_goes_on(world: World, secrets: Path) -> None:
    own = issued(world, SHOP)
    change = {"tls": {"certificates": [keep(secrets, "shop", own)]}}
    applied(world, change)
    (secrets / "shop.key").write_bytes(issued(world, SHOP)[1])
    _, generation = world.put(weights(10000), "route/shop/weights")
    world.wait_acked(generation)
    assert world.arms(5) == {"shop-v2": 5}
    assert serial(world) == number_of(own)
    assert "is not the key of the certificate" in (world.var / "xds.log").read_text()


def test_a_ticket_is_good_for_as_long_as_its_keys_live(world: World) -> None:
    context = trusting(authority(world))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for life in (3600, 7200):
        applied(world, {"tls": {"session_tickets": {"rotate_every": "30m", "life": f"{life}s"}}})
        assert ticket(port(world), context, name=SHOP).ticket_lifetime_hint == life


def test_a_ticket_of_one_proxy_resumes_on_the_other_through_a_rotation(world: World) -> None:
    context, directory = trusting(authority(world)), world.var / "pki"
    first, second = port(world), port(world, "EDGE_2")
    before = tickets.read(directory, "edge").encrypting
    old = ticket(first, context, name=SHOP)
    assert resumes(second, context, old, name=SHOP)

    generation = services.rotate_tickets(
        tier="edge", directory=directory, by=BY, reason="test", now=timezone.now()
    )
    world.wait_acked(generation)

    def turned() -> bool:
        assert resumes(second, context, ticket(first, context, name=SHOP), name=SHOP)
        assert resumes(second, context, old, name=SHOP)
        return tickets.read(directory, "edge").encrypting != before

    wait_until(turned, timeout=10, what="the new key encrypts")
    world.wait_acked(selectors.generation("edge"))
    new = ticket(first, context, name=SHOP)

    assert services.turn_tickets(
        tier="edge", settings=SessionTickets(), directory=directory, now=at(25 * 3600)
    )
    wait_until(lambda: not resumes(second, context, old, name=SHOP), timeout=10, what="the old key is gone")
    assert resumes(second, context, new, name=SHOP)
    told = [entry.action for entry in audit.entries(target="edge", limit=20)]
    assert [action for action in told if action.startswith("tickets.")][:3] == [
        "tickets.drop",
        "tickets.encrypt",
        "tickets.join",
    ]


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_client_s_certificate_is_told_to_the_backend_and_nobody_can_spoof_it(
    mode: str, world: World, secrets: Path
) -> None:
    spoofed = {"x-forwarded-client-cert": "URI=spiffe://evil"}
    shows = client_of(world, secrets, "spiffe://shop/billing")
    clients = {"client_certificates": {"ca": "local", "mode": mode}}
    with echoing() as number:
        applied(world, {"tls": clients, **echo_upstream(number)})
        with Connection(port(world), trusting(authority(world), shows=shows), name=SHOP) as connection:
            told = connection.ask(headers=spoofed).body["headers"]["x-forwarded-client-cert"]
    assert "URI=spiffe://shop/billing" in told
    assert "Subject=" in told
    assert "evil" not in told


def test_without_a_certificate_a_client_has_none_or_is_refused(world: World) -> None:
    spoofed = {"x-forwarded-client-cert": "URI=spiffe://evil"}
    context = trusting(authority(world))
    with echoing() as number:
        for tls in ({}, {"client_certificates": {"ca": "local", "mode": "optional"}}):
            applied(world, {"tls": tls, **echo_upstream(number)})
            with Connection(port(world), context, name=SHOP) as connection:
                assert "x-forwarded-client-cert" not in connection.ask(headers=spoofed).body["headers"]
            plain = world.get(SHOP, headers=spoofed).json()["headers"]
            assert "x-forwarded-client-cert" not in plain
        applied(world, {"tls": {"client_certificates": {"ca": "local"}}, **echo_upstream(number)})
        assert refused(port(world), context, name=SHOP)
        assert world.get(SHOP, allow_redirects=False).status_code == 301


def test_a_stranger_s_certificate_is_refused_even_where_none_is_needed(world: World, secrets: Path) -> None:
    keep(secrets, "stranger", pki.issue(["stranger.test"], now=timezone.now()))
    shows = (secrets / "stranger.pem", secrets / "stranger.key")
    applied(world, {"tls": {"client_certificates": {"ca": "local", "mode": "optional"}}})
    context = trusting(authority(world), shows=shows)
    assert refused(port(world), context, name=SHOP)


def test_a_revoked_certificate_is_refused(world: World, secrets: Path) -> None:
    shows = client_of(world, secrets, "spiffe://shop/billing")
    revoke(world, secrets / "crl.pem", shows[0])
    applied(world, {"tls": {"client_certificates": {"ca": "local", "crl": "crl.pem"}}})
    assert refused(port(world), trusting(authority(world), shows=shows), name=SHOP)
    another = client_of(world, secrets, "spiffe://shop/orders")
    assert not refused(port(world), trusting(authority(world), shows=another), name=SHOP)


def test_a_client_that_is_revoked_does_not_come_back_by_its_ticket(world: World, secrets: Path) -> None:
    shows = client_of(world, secrets, "spiffe://shop/billing")
    context = trusting(authority(world), shows=shows)
    revoke(world, secrets / "crl.pem", client_of(world, secrets, "spiffe://shop/orders", "other")[0])
    applied(world, {"tls": {"client_certificates": {"ca": "local", "crl": "crl.pem"}}})
    session = ticket(port(world), context, name=SHOP)
    assert resumes(port(world), context, session, name=SHOP)
    revoke(world, secrets / "crl.pem", shows[0])
    wait_until(lambda: refused(port(world), context, name=SHOP), timeout=5, what="the list is served")
    assert refused(port(world), context, name=SHOP, session=session)


def revoke(world: World, file: Path, certificate: Path) -> None:
    """A list of the world's authority with this certificate on it."""
    now = timezone.now()
    with pki.locked(world.var / "pki"):
        own, key = pki.ensure_authority(world.var / "pki", now)
    number = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
    entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now).build()
    listed = x509.CertificateRevocationListBuilder().issuer_name(own.subject).add_revoked_certificate(entry)
    signed = (
        listed.last_update(now - timedelta(hours=1))
        .next_update(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def backend_context(world: World, folder: Path, *, asks: bool = True) -> ssl.SSLContext:
    """A backend on the world's own authority, which lets in whoever shows the tier's certificate."""
    keep(folder, "backend", issued(world, "echo.test"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority(world)))
    context.load_cert_chain(folder / "backend.pem", folder / "backend.key")
    context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
    return context


def test_a_backend_serves_the_gateway_and_refuses_who_goes_around_it(world: World, secrets: Path) -> None:
    to_backend = {"ca": "local", "sni": "echo.test", "client_certificate": "tier"}
    with echoing(backend_context(world, secrets)) as number:
        applied(world, echo_upstream(number, tls=to_backend))
        assert world.get(SHOP).status_code == 200
        assert refused(number, trusting(authority(world)), name="echo.test")
        applied(world, echo_upstream(number, tls={"ca": "local", "sni": "echo.test"}))
        assert world.get(SHOP).status_code == 503


@pytest.mark.parametrize(
    "wrong", [{"ca": "local", "sni": "other.test"}, {"ca": "system", "sni": "echo.test"}]
)
def test_a_backend_that_is_another_is_not_sent_to(wrong: dict[str, str], world: World, secrets: Path) -> None:
    with echoing(backend_context(world, secrets, asks=False)) as number:
        applied(world, echo_upstream(number, tls={"ca": "local", "sni": "echo.test"}))
        assert world.get(SHOP).status_code == 200
        applied(world, echo_upstream(number, tls=wrong))
        assert world.get(SHOP).status_code == 503


@contextlib.contextmanager
def greeting(certificate: tuple[bytes, bytes], authority_text: bytes) -> Iterator[int]:
    """A gRPC backend that serves whoever shows a certificate of the authority."""
    server = grpc.server(ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(
        lambda request, _: greeter.reply_bytes(f"Hello {request.name}"),
        request_deserializer=greeter.read_request,
    )
    handler = grpc.method_handlers_generic_handler(greeter.SERVICE, {greeter.METHOD: method})
    server.add_generic_rpc_handlers((handler,))
    pair = [(certificate[1], certificate[0])]
    credentials = grpc.ssl_server_credentials(pair, authority_text, require_client_auth=True)
    number = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield number
    finally:
        server.stop(None).wait()


def test_grpc_is_spoken_to_a_backend_over_mutual_tls(world: World) -> None:
    to_backend = {"ca": "local", "sni": "echo.test", "client_certificate": "tier"}
    with greeting(issued(world, "echo.test"), authority(world).read_bytes()) as number:
        applied(world, echo_upstream(number, tls=to_backend, protocol="http2"))
        address = f"127.0.0.1:{world.ports['EDGE_1_HTTP_PORT']}"
        with grpc.insecure_channel(address, options=[("grpc.default_authority", SHOP)]) as channel:
            call = channel.unary_unary(
                greeter.PATH,
                request_serializer=greeter.request_bytes,
                response_deserializer=greeter.read_reply,
            )
            assert call("you", timeout=5).message == "Hello you"
