"""What a failed answer is, for everybody: as PromQL matchers and as a predicate over a counter's labels.

HTTP: a 5xx. gRPC answers HTTP 200 whatever happened, so there the status that the answer bore decides, the
label `grpc`: empty where there was none. Which of its codes are a server's failure is OpenTelemetry's list
for server spans: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#server-span (CANCELLED, NOT_FOUND,
RESOURCE_EXHAUSTED and the like are the client's, as a 4xx is).

What a proxy answers by itself it would have answered in HTTP, and tells a gRPC client by the mapping of
https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md: its 502, 503 and 504 as UNAVAILABLE
(a deadline of its own as DEADLINE_EXCEEDED), but a 400 as INTERNAL, a 404 as UNIMPLEMENTED and a 408 or 413
as UNKNOWN. Those are the client's failures in HTTP, and so they are in gRPC.

An answer that was cut after it began is a failure in both, made by the proxy as its 503 and 504 are.
"""

from collections.abc import Mapping
from typing import Literal

from telemetry.domain.promql import equal, matching, not_matching, unequal

Originator = Literal["proxy", "backend"]
ORIGINATORS: tuple[Originator, ...] = ("proxy", "backend")
Matchers = tuple[str, ...]

SERVER_FAULTS = {
    "2": "UNKNOWN",
    "4": "DEADLINE_EXCEEDED",
    "12": "UNIMPLEMENTED",
    "13": "INTERNAL",
    "14": "UNAVAILABLE",
    "15": "DATA_LOSS",
}
PROXY_FAULTS = {"4": "DEADLINE_EXCEEDED", "14": "UNAVAILABLE"}

# The proxy sets `reason="backend"` exactly when response.code_details is via_upstream: the backend made
# the answer. Anything else the proxy made itself. Response flags cannot tell the two apart.
BY_BACKEND = equal("reason", "backend")
# A client that left has no answer to be good or bad.
BY_PROXY = not_matching("reason", "backend|client_gone")
# Why the proxy ended an answer that had begun: it keeps the code that it began with.
CUT = frozenset({"upstream_reset", "upstream_timeout"})
_HTTP = matching("code", "5..")
_CUT = matching("reason", "|".join(sorted(CUT)))


def failed_requests(originator: Originator) -> tuple[Matchers, ...]:
    """Which series of the requests count failures that `originator` made: those that meet any of these."""
    if originator == "backend":
        return (BY_BACKEND, _HTTP), (BY_BACKEND, _grpc(SERVER_FAULTS))
    return (BY_PROXY, _HTTP), (BY_PROXY, _grpc(PROXY_FAULTS)), (_CUT,)


def failed_attempts() -> tuple[Matchers, ...]:
    """Which series of the attempts count failures: those that meet any of these.

    Envoy flags an attempt that ended without an answer, or within one; without a flag the client left.
    """
    return (_HTTP,), (_grpc(SERVER_FAULTS),), (unequal("flags", "-"),)


def failed(labels: Mapping[str, str]) -> bool:
    """Whether what a series with these labels counts are failures: the same as the matchers say."""
    code, grpc, reason = (labels.get(name, "") for name in ("code", "grpc", "reason"))
    if reason in ("", "backend"):  # an attempt has no reason: what answers it is the backend
        flagged = not reason and labels.get("flags", "-") != "-"
        return flagged or code.startswith("5") or grpc in SERVER_FAULTS
    return reason in CUT or (reason != "client_gone" and (code.startswith("5") or grpc in PROXY_FAULTS))


def _grpc(faults: Mapping[str, str]) -> str:
    return matching("grpc", "|".join(faults))
