"""How much of a list may be asked for."""

from typing import Annotated

from ninja import Field

Limit = Annotated[int, Field(ge=1, le=1000)]
