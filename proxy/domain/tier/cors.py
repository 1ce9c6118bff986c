"""Cross-origin requests: which pages' scripts a browser lets read a route's answers."""

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.domain.tier.fields import Declared, Duration, Method
from proxy.domain.tier.matching import HeaderName

_ORIGIN = re.compile(r"\*|https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?")


def _origin(value: str) -> str:
    """As browsers write it: in lower case, without a path or a slash at the end."""
    if not _ORIGIN.fullmatch(value):
        raise ValueError("not an origin: write https://app.example.org, or * for every page there is")
    return value


Origin = Annotated[str, AfterValidator(_origin)]


class Cors(Declared):
    """`allow_origins` are exact (`https://app.example.org`), or `*` for every page there is.

    The proxy answers the browser's question (a preflight: OPTIONS with Access-Control-Request-Method) itself,
    before anybody asks who the client is: a browser sends no credentials with it. It may keep the answer for
    `max_age`. With `allow_credentials` scripts of these pages act as the visitor who is logged in.
    """

    allow_origins: tuple[Origin, ...] = Field(min_length=1)
    allow_methods: tuple[Method, ...] = Field(default=("GET", "HEAD", "POST"), min_length=1)
    allow_headers: tuple[HeaderName, ...] = ()
    expose_headers: tuple[HeaderName, ...] = ()
    allow_credentials: bool = False
    max_age: Duration = timedelta(minutes=10)

    @model_validator(mode="after")
    def _not_everybody_as_the_visitor(self) -> Self:
        if self.allow_credentials and "*" in self.allow_origins:
            raise ValueError("allow_credentials needs origins by name: with * every page acts as the visitor")
        return self
