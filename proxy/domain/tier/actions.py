"""What a route does besides passing a request on: another path or host, a redirect, a fixed answer."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier.fields import Declared, Port
from proxy.domain.tier.matching import PathText, Regex

_LINE = r"^[^\r\n\x00]*$"
HostText = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+(:[0-9]{1,5})?$", max_length=255)]


class RegexRewrite(Declared):
    r"""Every match of `pattern` (RE2) in the path becomes `substitution`; `\1` is the first group."""

    pattern: Regex
    substitution: Annotated[str, Field(pattern=_LINE, max_length=1024)]

    @model_validator(mode="after")
    def _groups_are_there(self) -> Self:
        if re.search(r"\\(?![0-9])", self.substitution.replace(r"\\", "")):
            raise ValueError("substitution: after a backslash comes the number of a group")
        groups = len(re.findall(r"(?<!\\)(?:\\\\)*\((?!\?[^P<])", self.pattern))
        named = [int(found) for found in re.findall(r"\\([0-9])", self.substitution)]
        if max(named, default=0) > groups:
            raise ValueError(f"substitution names group {max(named)}, and pattern has {groups}")
        return self


class Redirect(Declared):
    """Sends the client elsewhere. What is not named stays as it was asked for.

    `response_code` 307: nobody remembers it, and a POST stays a POST.
    """

    https_redirect: bool = False
    host_redirect: HostText | None = None
    port_redirect: Port | None = None
    path_redirect: Annotated[str, Field(pattern=r"^/[^\s]*$", max_length=1024)] | None = None
    prefix_rewrite: PathText | None = None
    strip_query: bool = False
    response_code: Literal[301, 302, 303, 307, 308] = 307

    @model_validator(mode="after")
    def _goes_elsewhere(self) -> Self:
        if self.path_redirect is not None and self.prefix_rewrite is not None:
            raise ValueError("takes one of path_redirect and prefix_rewrite")
        places = (self.host_redirect, self.port_redirect, self.path_redirect, self.prefix_rewrite)
        if not self.https_redirect and all(place is None for place in places):
            raise ValueError(
                "needs https_redirect, host_redirect, port_redirect, path_redirect or prefix_rewrite:"
                " it would lead to itself"
            )
        return self

    @property
    def words(self) -> str:
        scheme = "https" if self.https_redirect else "the same scheme"
        host = self.host_redirect or "the same host"
        port = f" port {self.port_redirect}" if self.port_redirect else ""
        path = self.path_redirect or self.prefix_rewrite or "the same path"
        return f"{self.response_code} to {scheme}, {host}{port}, {path}"


class DirectResponse(Declared):
    """A small fixed answer of the proxy's own; no upstream is asked."""

    status: int = Field(ge=200, le=599)
    body: Annotated[str, Field(max_length=4096)] = ""
    content_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.-]+)*$")] = "text/plain"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.body.encode()) > 4096:
            raise ValueError("body is larger than 4096 bytes, the most that Envoy keeps of a fixed answer")
        return self
