"""What a request's body may hold."""

import ninja
from ninja import Field
from pydantic import ConfigDict


class Request(ninja.Schema):
    """The base of every request's fields. A field that is not one is refused: a slip must do nothing."""

    model_config = ConfigDict(extra="forbid")


class Why(Request):
    """Why it is done."""

    reason: str = Field("", max_length=500)


class Because(Request):
    """Why it is done, which must be said: it takes something from others."""

    reason: str = Field(min_length=1, max_length=500, pattern=r"\S")
