"""What is written down of each request."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from proxy.domain.tier.fields import Declared
from proxy.domain.tier.limits import Percent


def _read_which(given: Any) -> Any:
    """YAML reads `off` as false."""
    return "off" if given is False else given


def _read_log(given: Any) -> Any:
    """`errors` is short for `{which: errors}`."""
    return {"which": given} if given is False or isinstance(given, str) else given


Which = Annotated[Literal["off", "errors", "all"], BeforeValidator(_read_which)]


class RouteLog(Declared):
    """Which requests of a route are written down, in place of what the tier says.

    `sampling` is the percentage of the requests that did not fail; those that failed are always written.
    """

    which: Which = "errors"
    sampling: Percent = 100.0

    @model_validator(mode="after")
    def _only_what_went_well_is_sampled(self) -> Self:
        if self.sampling != 100 and self.which != "all":
            raise ValueError(f"sampling needs which: all; {self.which} writes nothing that went well")
        return self


class AccessLog(RouteLog):
    """JSON lines, on standard output or into `file` (a path on the proxy's machine).

    The query of a path is left out unless `query` asks for it: it may hold what nobody should read.
    """

    file: Annotated[str, Field(pattern=r"^/\S+$")] | None = None
    query: bool = False


TierLogField = Annotated[AccessLog, BeforeValidator(_read_log)]
RouteLogField = Annotated[RouteLog, BeforeValidator(_read_log)]
