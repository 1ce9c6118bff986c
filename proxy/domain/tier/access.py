"""Who may send a request: tokens, keys, certificates, authorities beside the proxy; and what a route demands.

All that a route names must hold: what cannot be decided is refused.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from proxy.domain.tier.fields import Address, Declared, Duration, Name, Port
from proxy.domain.tier.matching import ArrivingHeader, PathText, Text, Token
from proxy.domain.tier.tls import SecretFile

CLIENT_HEADER = "x-sluice-client"
"""Bears the client whose API key was given, for the backend and for quotas. Never a client's own word."""

FORWARDED_IDENTITY = (
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
    "x-auth-request-access-token",
    "x-remote-user",
    "x-remote-group",
    "remote-user",
    "x-webauth-user",
    "x-jwt-payload",
    "client-cert",
    "client-cert-chain",
)
"""Headers by which backends commonly believe who somebody is."""

_NOT_IDENTITY = (
    *("authorization", "connection", "content-length", "content-type", "cookie", "expect", "host", "te"),
    *("keep-alive", "trailer", "transfer-encoding", "upgrade", "via", "x-request-id", CLIENT_HEADER),
    *("x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
)


def _identity(value: str) -> str:
    lower = value.lower()
    if lower in _NOT_IDENTITY or lower.startswith("x-envoy-"):
        raise ValueError("has a meaning of its own, so that it cannot say who somebody is")
    return lower


def _names(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


Header = Annotated[Token, AfterValidator(str.lower)]

IdentityHeader = Annotated[Token, AfterValidator(_identity)]
"""A request header that says who somebody is. It is taken from clients' requests before anything reads it."""

ClaimPath = Annotated[tuple[Text, ...], BeforeValidator(_names), Field(min_length=1)]
"""A claim's name, or the names that lead to a nested one."""


class Jwks(Declared):
    """The keys that tokens are signed with: a `file` below the secrets directory, or a `uri` that the proxies
    fetch by way of an upstream and keep for `cache_duration`.
    """

    file: SecretFile | None = None
    uri: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2048)] | None = None
    upstream: Name | None = None
    cache_duration: Duration = timedelta(minutes=10)
    timeout: Duration = timedelta(seconds=1)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.uri is None):
            raise ValueError("needs exactly one of file and uri")
        if (self.uri is None) != (self.upstream is None):
            raise ValueError("uri needs upstream, by which the proxies reach it, and upstream needs uri")
        return self


class JwtHeader(Declared):
    """A request header that bears a token after `value_prefix`."""

    name: ArrivingHeader
    value_prefix: Annotated[str, Field(max_length=64)] = ""


class ClaimToHeader(Declared):
    """A claim that is told to the backend. `claim` is a name, or the names that lead to a nested one."""

    header: IdentityHeader
    claim: ClaimPath


class JwtProvider(Declared):
    """Who issues tokens, and how they are recognised. The token ends here unless `forward`.

    `audiences` is required: a token that was issued for another service is none for this one. Tokens are
    looked for in `from_headers` and `from_params`, by default in `Authorization: Bearer`.
    """

    name: Name
    issuer: Text
    audiences: tuple[Text, ...] = Field(min_length=1)
    jwks: Jwks
    from_headers: tuple[JwtHeader, ...] = (JwtHeader(name="authorization", value_prefix="Bearer "),)
    from_params: tuple[Text, ...] = ()
    forward: bool = False
    claim_to_headers: tuple[ClaimToHeader, ...] = ()
    clock_skew: Duration = timedelta(seconds=60)
    require_expiration: bool = True
    max_lifetime: Duration | None = None

    @model_validator(mode="after")
    def _is_found_somewhere(self) -> Self:
        if not self.from_headers and not self.from_params:
            raise ValueError("needs from_headers or from_params: no token would ever be found")
        if self.clock_skew.total_seconds() % 1:
            raise ValueError("clock_skew must be whole seconds")
        return self


class JwtRequirement(Declared):
    """A token by any of these providers. `allow_missing` lets a request without one by, a wrong one never."""

    any_of: tuple[Name, ...] = Field(min_length=1)
    allow_missing: bool = False

    @property
    def key(self) -> str:
        """The same for equal requirements."""
        words = sorted(set(self.any_of))
        return " ".join([*words, "or none"] if self.allow_missing else words)


def _requirement(given: Any) -> Any:
    """`jwt: idp` is short for any of that one."""
    return {"any_of": [given]} if isinstance(given, str) else given


JwtField = Annotated[JwtRequirement, BeforeValidator(_requirement)]


class KeySource(Declared):
    """Where a request bears its key: a header (after `Bearer ` too), a query parameter or a cookie."""

    header: ArrivingHeader | None = None
    query: Text | None = None
    cookie: Token | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.header, self.query, self.cookie)) != 1:
            raise ValueError("needs exactly one of header, query and cookie")
        return self


class ApiKeys(Declared):
    """A set of clients and their keys, which stand in a `file` below the secrets directory and nowhere else.

    The key ends at the proxy unless `hide_credentials` is false; the backend is told its client in
    x-sluice-client.
    """

    name: Name
    file: SecretFile
    key_sources: tuple[KeySource, ...] = Field(default=(KeySource(header="x-api-key"),), min_length=1)
    hide_credentials: bool = True


class ApiKeyRequirement(Declared):
    """A key of the set `keys`; with `allowed_clients`, of one of these clients."""

    keys: Name
    allowed_clients: tuple[Text, ...] = ()

    @property
    def allows_nobody(self) -> bool:
        """Whether somebody wrote a list of none. Envoy takes that for everybody; so does a revision, which
        spells out every default.
        """
        return "allowed_clients" in self.model_fields_set and not self.allowed_clients


def _key_requirement(given: Any) -> Any:
    """`api_keys: partners` is short for any client of that set."""
    return {"keys": given} if isinstance(given, str) else given


ApiKeyField = Annotated[ApiKeyRequirement, BeforeValidator(_key_requirement)]


AlternativeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._~:/%@-]{3,512}\*?$")]


class RequestBody(Declared):
    """How much of a request's body an authority is shown. A longer one is refused (413)."""

    max_request_bytes: int = Field(ge=1, le=1 << 20)


class ExtAuthz(Declared):
    """An authority beside the proxy that is asked about each request: over HTTP or gRPC, at an `upstream` or
    an `address` with its `port`.

    It sees method, host, path and `allowed_headers`, and no body unless `with_request_body`. What it says of
    the client in `identity_headers` goes on to the backend; `allowed_client_headers` of a refusal go to the
    client.
    """

    name: Name
    protocol: Literal["http", "grpc"] = "http"
    upstream: Name | None = None
    address: Address | None = None
    port: Port | None = None
    path_prefix: PathText | None = None
    timeout: Duration = timedelta(milliseconds=250)
    failure_mode_allow: bool = False
    allowed_headers: tuple[ArrivingHeader, ...] = ("authorization",)
    identity_headers: tuple[IdentityHeader, ...] = ()
    allowed_client_headers: tuple[Header, ...] = ("www-authenticate",)
    with_request_body: RequestBody | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.upstream is None) == (self.address is None):
            raise ValueError("needs exactly one of upstream and address")
        if (self.address is None) != (self.port is None):
            raise ValueError("address needs port, and port needs address")
        if self.path_prefix is not None and self.protocol == "grpc":
            raise ValueError("path_prefix belongs to protocol http")
        return self


ContextKey = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Line = Annotated[str, Field(pattern=r"^[^\r\n\x00]+$", max_length=1024)]


class ExtAuthzRequirement(Declared):
    """A yes of the authority `by`, which is told `context`: in gRPC as context_extensions, in HTTP as headers
    named x-sluice-context-*.
    """

    by: Name
    context: dict[ContextKey, Line] = {}


def _authority(given: Any) -> Any:
    """`ext_authz: introspection` is short for that authority without a context."""
    return {"by": given} if isinstance(given, str) else given


ExtAuthzField = Annotated[ExtAuthzRequirement, BeforeValidator(_authority)]


class ClientCertificateRequirement(Declared):
    """A certificate that the handshake verified and that bears one of these names: a URI or a DNS name; one
    that ends with `*` takes all that begin so. `any_validated_client_certificate`: whatever its name.
    """

    subject_alt_names: tuple[AlternativeName, ...] = ()
    any_validated_client_certificate: bool = False

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if bool(self.subject_alt_names) == self.any_validated_client_certificate:
            raise ValueError("needs exactly one of subject_alt_names and any_validated_client_certificate")
        return self


class Access(Declared):
    """What a request needs to be let through: everything that is named here."""

    jwt: JwtField | None = None
    api_keys: ApiKeyField | None = None
    ext_authz: ExtAuthzField | None = None
    client_certificates: ClientCertificateRequirement | None = None

    @property
    def before_routing(self) -> tuple[ApiKeyRequirement | None, ExtAuthzRequirement | None]:
        """What runs or not by the route that is chosen first, and is not looked at again where a claim then
        chooses another.
        """
        return self.api_keys, self.ext_authz
