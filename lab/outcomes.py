"""What the lab's clients saw: answers counted by route, proxy, status and backend, and TLS handshakes."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Instead of a status: the connection failed before an answer came.
NO_ANSWER = "none"


class Outcome(NamedTuple):
    route: str
    proxy: str
    status: str  # an HTTP status, a gRPC code's name, or NO_ANSWER
    backend: str  # who made the answer; empty when the proxy did, or none came


@dataclass
class Outcomes:
    """Counters since the start of the process."""

    answers: Counter[Outcome] = field(default_factory=Counter)
    handshakes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (proxy, fresh | resumed | failed)
    skipped: Counter[str] = field(
        default_factory=Counter
    )  # by lane: not sent, since the lane was full or backing off

    def as_json(self) -> dict[str, Any]:
        answers = sorted(self.answers.items())
        return {
            "answers": [{**o._asdict(), "arm": arm_of(o.backend), "count": n} for o, n in answers],
            "handshakes": [
                {"proxy": proxy, "kind": kind, "count": n}
                for (proxy, kind), n in sorted(self.handshakes.items())
            ],
            "skipped": dict(self.skipped),
        }


def arm_of(backend: str) -> str:
    """The upstream of a backend of the lab: shop-v2-a is of shop-v2."""
    return backend.rpartition("-")[0]
