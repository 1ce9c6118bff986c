"""What a proxy changes of requests and answers on their way: headers, bodies, compression, gRPC as JSON.

A gateway stays thin: these are declarations, not programs. Nothing here runs code of the declaration's.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from proxy.domain.tier.fields import Declared

_OPERATOR = re.compile(r"%([A-Z][A-Z0-9_]*)(\([^()%]*\))?(?::\d+)?%")
_HEADER = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]+")
# Not those that read the proxy's own environment, files and secrets.
_OF_A_REQUEST = frozenset(
    {
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_LOCAL_ADDRESS",
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_LOCAL_PORT",
        "DOWNSTREAM_PEER_DNS_SAN",
        "DOWNSTREAM_PEER_FINGERPRINT_256",
        "DOWNSTREAM_PEER_ISSUER",
        "DOWNSTREAM_PEER_SERIAL",
        "DOWNSTREAM_PEER_SUBJECT",
        "DOWNSTREAM_PEER_URI_SAN",
        "DOWNSTREAM_REMOTE_ADDRESS",
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_TLS_CIPHER",
        "DOWNSTREAM_TLS_VERSION",
        "DURATION",
        "DYNAMIC_METADATA",
        "PROTOCOL",
        "REQ",
        "REQUESTED_SERVER_NAME",
        "RESP",
        "RESPONSE_CODE",
        "RESPONSE_CODE_DETAILS",
        "RESPONSE_FLAGS",
        "ROUTE_NAME",
        "START_TIME",
        "STREAM_ID",
        "TRACE_ID",
        "UPSTREAM_CLUSTER_RAW",
        "UPSTREAM_HOST",
    }
)
_OF_A_BODY = frozenset({"REQUEST_BODY", "RESPONSE_BODY"})
# Of the connection or of the proxy: changed, they break framing, routing or what is measured.
_KEPT = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "keep-alive", "trailer"}
)


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")
    lower = name.lower()
    if lower in _KEPT or lower.startswith(("x-sluice-", "x-envoy-")):
        raise ValueError(f"{lower} is the proxy's own and stays as it is")
    return lower


def _unknown(value: str, known: frozenset[str]) -> Iterator[str]:
    """What in a value is no operator that may stand there; `%%` is a percent sign."""
    for piece in re.split(r"%%", value):
        for name, _ in _OPERATOR.findall(piece):
            if name not in known:
                yield f"%{name}% is not taken here"
        if "%" in _OPERATOR.sub("", piece):
            yield f"{value!r} has a % that begins no operator: write %% for a percent sign"


def _value(value: str) -> str:
    if any(character < " " and character != "\t" for character in value):
        raise ValueError("a header's value is one line")
    for wrong in _unknown(value, _OF_A_REQUEST):
        raise ValueError(wrong)
    return value


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _strings(item)


def _template(body: dict[str, Any]) -> dict[str, Any]:
    for text in _strings(body):
        for wrong in _unknown(text, _OF_A_REQUEST | _OF_A_BODY):
            raise ValueError(wrong)
    return body


HeaderName = Annotated[str, AfterValidator(_header)]
HeaderValue = Annotated[str, Field(max_length=2048), AfterValidator(_value)]
Template = Annotated[dict[str, Any], Field(min_length=1), AfterValidator(_template)]


class Headers(Declared):
    """Headers that are taken off, put in place of what there is, or added beside it, in this order.

    A value may hold Envoy's command operators, such as `%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%`.
    """

    remove: tuple[HeaderName, ...] = ()
    set: dict[HeaderName, HeaderValue] = {}
    add: dict[HeaderName, HeaderValue] = {}

    @model_validator(mode="after")
    def _each_in_one_way(self) -> Self:
        twice = sorted({*self.remove} & {*self.set, *self.add} | {*self.set} & {*self.add})
        if twice:
            raise ValueError(f"{twice[0]} stands in two of remove, set and add")
        return self


class Body(Declared):
    """A JSON body made anew: `merge` lays these fields over it, `replace` is all there is.

    A string that is one operator becomes the value that it stands for: `%REQUEST_BODY(user:name)%`. The whole
    body is held meanwhile: a request larger than `limits.buffer_bytes` gets a 413, an answer becomes a 500.
    """

    merge: Template | None = None
    replace: Template | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.merge is None) == (self.replace is None):
            raise ValueError("needs exactly one of merge and replace")
        return self


Coding = Literal["br", "gzip", "zstd"]
TEXT = (
    "application/javascript",
    "application/json",
    "application/xhtml+xml",
    "application/xml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/plain",
    "text/xml",
)


class Compression(Declared):
    """Answers are compressed in the first of `codings` that a client takes, on the routes that ask for it.

    Off unless `enabled` here or `compression: true` on a route: it costs CPU, and an answer that holds a
    secret beside what an attacker chose gives the secret away by its length (BREACH).
    """

    enabled: bool = False
    codings: tuple[Coding, ...] = Field(default=("br", "zstd", "gzip"), min_length=1)
    min_content_length: int = Field(default=1024, ge=30)
    content_type: tuple[Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$")], ...] = Field(
        default=TEXT, min_length=1
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.codings)) != len(self.codings):
            raise ValueError("a coding stands twice")
        return self


def _read_descriptors(value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64 ({error}); name the file in descriptor_set_file") from None
    return value


class Transcode(Declared):
    """JSON in and out for a gRPC upstream, by the `google.api.http` options of the services' methods.

    `descriptor_set` is base64 of what `protoc --include_imports --descriptor_set_out` writes; `apply` puts it
    there from `descriptor_set_file`. `auto_mapping` gives methods without options a POST on
    `/package.Service/Method`.
    """

    descriptor_set: Annotated[str, Field(min_length=1, max_length=2 << 20), AfterValidator(_read_descriptors)]
    services: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*$")], ...] = Field(min_length=1)
    auto_mapping: bool = False
    ignore_unknown_query_parameters: bool = False
    preserve_proto_field_names: bool = False
    always_print_primitive_fields: bool = False


def _nothing_is_none(given: Any) -> Any:
    return {} if given is None else given


HeadersField = Annotated[Headers, BeforeValidator(_nothing_is_none)]


class Transformation(Declared):
    """What a route changes of its requests and answers."""

    request_headers: HeadersField = Headers()
    response_headers: HeadersField = Headers()
    request_body: Body | None = None
    response_body: Body | None = None
    compression: bool | None = None
    transcode: Transcode | None = None
    max_request_bytes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _bodies_are_json(self) -> Self:
        if self.transcode is not None and (self.request_body or self.response_body):
            raise ValueError(
                "request_body and response_body do not go with transcode, which makes the bodies"
            )
        return self
