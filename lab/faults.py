"""What is made to go wrong at a backend, and the reading of a fault from JSON."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Fault:
    """How a backend misbehaves. The default is health.

    A failed request is answered with `status` (by default 500, which a proxy does not retry), or cut without
    an answer when `reset` is set. With `first_attempt_only` a retry heals it: together with `reset`, or with
    status 503 and `retry_after`, that is the fault that retries hide from the client.
    """

    error_rate: float = 0.0  # share of requests that fail, 0 to 1
    latency_ms: float = 0.0  # added to `latency_share` of the requests
    latency_share: float = 1.0  # 0 to 1
    slowdown: float = 1.0  # the service time is multiplied by this
    refuse: bool = False  # the socket is closed: connections are refused
    status: int = 500  # what a failed request is answered with, 400 to 599
    retry_after: int | None = None  # seconds; sent as Retry-After with a failed answer
    first_attempt_only: bool = False  # only attempt 1 fails
    reset: bool = False  # a failed request's connection is cut instead

    def fails(self, attempt: int, draw: float) -> bool:
        """Whether a request fails; `draw` is uniform in [0, 1)."""
        if self.first_attempt_only and attempt > 1:
            return False
        return draw < self.error_rate

    def seconds(self, median_ms: float, draw: float) -> float:
        """How long a backend of this median takes for a request; `draw` is uniform in [0, 1)."""
        added = self.latency_ms / 1000 if draw < self.latency_share else 0.0
        return latency_seconds(median_ms) * self.slowdown + added


HEALTHY = Fault()


class BadFault(ValueError):
    """A fault cannot be read. `errors` maps each wrong field to its reason."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in errors.items()))
        self.errors = dict(errors)


def _number(low: float, high: float) -> Any:
    def wrong(value: Any) -> str:
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return "" if good else f"must be a number from {low:g} to {high:g}"

    return wrong


def _whole(low: int, high: int, *, nullable: bool = False) -> Any:
    def wrong(value: Any) -> str:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if good or (nullable and value is None) else f"must be a whole number from {low} to {high}"

    return wrong


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


CHECKS = {
    "error_rate": _number(0, 1),
    "latency_ms": _number(0, 60_000),
    "latency_share": _number(0, 1),
    "slowdown": _number(1, 100),
    "refuse": _flag,
    "status": _whole(400, 599),
    "retry_after": _whole(0, 3600, nullable=True),
    "first_attempt_only": _flag,
    "reset": _flag,
}


def read(document: Any, upstreams: Mapping[str, list[str]]) -> tuple[list[str], Fault]:
    """The backends that a fault is for, and the fault.

    `document["backend"]` is a backend ("shop-v2-a") or an upstream ("shop-v2": all of its backends). Fields
    that are not given are healthy: a fault replaces the one before. Raises BadFault with every wrong field.
    """
    if not isinstance(document, Mapping):
        raise BadFault({"": "must be a JSON object"})
    given = {name: value for name, value in document.items() if name != "backend"}
    errors = {
        name: CHECKS[name](value) if name in CHECKS else "is not a field" for name, value in given.items()
    }
    backends = matching(document.get("backend"), upstreams)
    if not backends:
        known = sorted({*upstreams, *(name for names in upstreams.values() for name in names)})
        errors["backend"] = f"must be one of {', '.join(known)}"
    errors = {name: reason for name, reason in errors.items() if reason}
    if errors:
        raise BadFault(errors)
    return backends, Fault(**given)


def matching(name: Any, upstreams: Mapping[str, list[str]]) -> list[str]:
    """The backends that a backend's or an upstream's name means; none when it is unknown."""
    if not isinstance(name, str):
        return []
    if name in upstreams:
        return upstreams[name]
    return [backend for backends in upstreams.values() for backend in backends if backend == name]


def as_json(fault: Fault) -> dict[str, Any]:
    return {field.name: getattr(fault, field.name) for field in fields(fault)}


def latency_seconds(median_ms: float) -> float:
    """A healthy backend's service time: lognormal, sigma 0.4: its p99 is about 2.5 times its median."""
    return random.lognormvariate(0, 0.4) * median_ms / 1000
