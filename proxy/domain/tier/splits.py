"""Which arm of a route's split a request gets, before and beside the weights."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from proxy.domain.tier.fields import Declared, Duration, Name
from proxy.domain.tier.matching import Conditions, HeaderName, Token


class Arm(Declared):
    """Requests that get one upstream whatever its weight: reproducible, for those who test it."""

    upstream: Name
    match: Conditions

    @model_validator(mode="after")
    def _some_condition(self) -> Self:
        if not self.match.compared:
            raise ValueError("match needs a condition: an arm without one would take every request")
        return self

    @property
    def told(self) -> tuple[str, str]:
        """Its upstream and its conditions in words, as a proxy that runs the arm shows them."""
        return self.upstream, "; ".join(self.match.words)


class Sticky(Declared):
    """Keeps a visitor on an arm. By `header`: its value is hashed, a request without it is drawn anew.

    By `cookie`: a new visitor is drawn by the request's id, which becomes the cookie for `ttl`. Routes that
    share a cookie draw the same visitors into their canaries.
    """

    cookie: Token | None = None
    ttl: Duration = timedelta(days=7)
    secure: bool = False
    header: HeaderName | None = Field(default=None)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.cookie is None) == (self.header is None):
            raise ValueError("needs exactly one of cookie and header")
        if self.header is not None and self.model_fields_set & {"secure"} and self.secure:
            raise ValueError("secure belongs to cookie")
        if self.ttl < timedelta(seconds=1):
            raise ValueError("ttl must be a second or more")
        return self

    @property
    def words(self) -> str:
        if self.cookie is None:
            return f"by header {self.header}"
        return f"by cookie {self.cookie} for {self.ttl}"
