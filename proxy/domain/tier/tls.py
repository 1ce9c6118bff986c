"""TLS towards clients and towards backends. Keys and certificates are named by file, never written here."""

import re
from collections.abc import Hashable
from datetime import timedelta
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from proxy.domain.tier.fields import Declared, Duration, Port, is_ip

T = TypeVar("T", bound=Hashable)

LONGEST_LIFE = timedelta(days=7)
"""Of a session, by TLS 1.3: RFC 8446, 4.6.1."""

_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+")

LOCAL, SYSTEM = "local", "system"
"""Authorities that are no file of the secrets directory: Sluice's own, and the machine's trusted roots."""


def _file(value: str) -> str:
    parts = value.split("/")
    if not value or value.startswith("/") or "\0" in value or any(part in ("", ".", "..") for part in parts):
        raise ValueError("not a file below the secrets directory: write shop.pem or shop/tls.pem")
    return value


def _once(values: tuple[T, ...]) -> tuple[T, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands there twice")
    return values


def _server_name(value: str) -> str:
    if is_ip(value):
        raise ValueError("an IP address is no server name: write it into subject_alt_names")
    if not _HOST.fullmatch(value) or value != value.lower():
        raise ValueError("not a host name: write shop.internal, in lower case")
    return value


def _subject(value: str) -> str:
    if not (is_ip(value) or _HOST.fullmatch(value) or _URI.fullmatch(value)):
        raise ValueError(
            "neither a host name nor an IP address nor a URI: write shop.internal, 10.0.0.7 or spiffe://shop/a"
        )
    return value


SecretFile = Annotated[str, AfterValidator(_file)]
"""A path below the secrets directory (setting SLUICE_SECRETS)."""

Authority = Annotated[str, AfterValidator(_file)]
"""`local`, `system`, or a SecretFile of PEM certificates."""


class Certificate(Declared):
    """A certificate (with its chain) and its key. The names in it say for which hosts it is shown."""

    certificate_chain: SecretFile
    private_key: SecretFile


class SessionTickets(Declared):
    """The keys of session tickets, which all proxies of a tier share.

    A new key encrypts after `rotate_every`, once every proxy has it; an old one decrypts for `life` more.
    """

    rotate_every: Duration = timedelta(hours=12)
    life: Duration = timedelta(hours=24)

    @model_validator(mode="after")
    def _whole_and_few(self) -> Self:
        if self.life.total_seconds() % 1:
            raise ValueError("life must be whole seconds")
        if self.life > LONGEST_LIFE:
            raise ValueError(f"life may be at most {LONGEST_LIFE.days}d: TLS 1.3 knows no longer session")
        if self.life > 10 * self.rotate_every:
            raise ValueError("life may be at most ten times rotate_every: each proxy tries that many keys")
        return self


class ClientCertificates(Declared):
    """Whom clients must be certified by. `optional`: none is well, a wrong one is not."""

    ca: Authority
    mode: Literal["optional", "required"] = "required"
    crl: SecretFile | None = None

    @model_validator(mode="after")
    def _somebody_in_particular(self) -> Self:
        if self.ca == SYSTEM:
            raise ValueError("ca must not be system: it would admit whoever has any public certificate")
        return self


class Tls(Declared):
    """How clients are met on the HTTPS port. Lists are in the order of preference."""

    tls_minimum_protocol_version: Literal["TLSv1_2", "TLSv1_3"] = "TLSv1_2"
    ecdh_curves: Annotated[
        tuple[Literal["X25519MLKEM768", "X25519", "P-256", "P-384"], ...], AfterValidator(_once)
    ] = Field(default=("X25519MLKEM768", "X25519", "P-256"), min_length=1)
    alpn_protocols: Annotated[tuple[Literal["h2", "http/1.1"], ...], AfterValidator(_once)] = Field(
        default=("h2", "http/1.1"), min_length=1
    )
    certificates: tuple[Certificate, ...] = ()
    session_tickets: SessionTickets = SessionTickets()
    client_certificates: ClientCertificates | None = None
    http3: bool = True
    http3_port: Port | None = None

    @property
    def requires_client_certificate(self) -> bool:
        return self.client_certificates is not None and self.client_certificates.mode == "required"


class UpstreamTls(Declared):
    """TLS to the backends: verified by `ca` and by name, always.

    `sni` is also the name that the backend's certificate must bear, unless `subject_alt_names` says others.
    `client_certificate` is shown to backends that ask: `tier` is one that the local authority issues.
    """

    ca: Authority = SYSTEM
    sni: Annotated[str, AfterValidator(_server_name)] | None = None
    subject_alt_names: tuple[Annotated[str, AfterValidator(_subject)], ...] = ()
    client_certificate: Literal["tier"] | Certificate | None = None

    @model_validator(mode="after")
    def _some_name_is_verified(self) -> Self:
        if self.sni is None and not self.subject_alt_names:
            raise ValueError(
                "write sni or subject_alt_names: without a name any certificate of the ca would do"
            )
        return self
