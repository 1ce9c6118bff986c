"""The types that a declaration is made of, and how its text is read."""

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

WEIGHT_TOTAL = 10_000
"""The weights of a route always add up to this, in basis points. A constant total keeps ramps nested."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(\.\*)?")
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT")


def _read_duration(given: Any) -> Any:
    """`250ms`, `2s`, `1m`, or a number of seconds."""
    if isinstance(given, str):
        match = _DURATION.fullmatch(given.strip())
        if match is None:
            raise ValueError("not a duration: write 250ms, 2s or 1m")
        try:
            return timedelta(seconds=round(float(match[1]) * _UNITS[match[2]], 6))
        except OverflowError:
            raise ValueError("too long a duration") from None
    if isinstance(given, bool):
        raise ValueError("not a duration: write 250ms, 2s or 1m")
    return given


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


def seconds(value: timedelta) -> str:
    """The form that Envoy's JSON uses: `0.25s`."""
    return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(
            "not a host: write shop.test, *.shop.test, shop.* or *, in small letters and without a port"
        )
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", value):
        raise ValueError("not an address")
    return value


def is_ip(address: str) -> bool:
    """Whether Envoy can use the address without a resolver."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    AfterValidator(_positive),
    PlainSerializer(seconds, return_type=str, when_used="json"),
]
Host = Annotated[str, AfterValidator(_host)]
Address = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
Weight = Annotated[int, Field(ge=0, le=WEIGHT_TOTAL)]
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT"]


Accepted = dict[str, Annotated[str, Field(min_length=3, max_length=1000)]]
"""Settings that are less safe than their default, each with the reason why that is accepted."""


class Declared(BaseModel):
    """Frozen; an unknown key is an error, since a misspelt limit must not be a missing one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
