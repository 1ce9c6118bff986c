"""Checks of an upstream: does it eject, is it capped, is its queue short, do its streams spread."""

from collections.abc import Mapping

from proxy.domain.checks.looking import Look, Mend
from proxy.domain.observing import Seen
from proxy.domain.observing.seen import Cluster, Thresholds

UNBOUNDED = 1024
"""Envoy's own default of connections, requests and pending requests: as good as no cap."""
PENDING = 16
_SPREADING = ("least_request", "round_robin", "random")
# By Envoy's defaults, in percent, of what nobody wrote: a field that is not there enforces this much.
_DETECTORS = {
    "consecutive_5xx": 100,
    "consecutive_gateway_failure": 0,
    "success_rate": 100,
    "failure_percentage": 0,
}
_WITHOUT_NUMBER = ("success_rate", "failure_percentage")


def ejects(seen: Seen, name: str) -> Look:
    """Whether some detector is enforced, and may let one endpoint out at least."""
    cluster = _cluster(seen, name)
    if cluster is None:
        return _unseen(name)
    found = cluster.outlier_detection
    if found is None:
        return Look(False, f"{name} has no outlier detection: nothing is ejected")
    if not any(_enforced(found, detector) for detector in _DETECTORS):
        return Look(False, f"{name} ejects on nothing: no detector is enforced")
    if found.get("split_external_local_origin_errors"):
        return Look(False, f"{name} counts timeouts apart: each connect that succeeds ends a row of them")
    most, endpoints = found.get("max_ejection_percent", 10), cluster.endpoints
    if endpoints and endpoints * most < 100 and not found.get("always_eject_one_host"):
        return Look(False, f"{name} may eject {most:g} % of {endpoints} endpoints: that is none")
    return Look(True, f"{name} ejects endpoints, {most:g} % of them at most")


def to_eject(name: str) -> Mend:
    patch = {"kind": "outlier_detection", "upstream": name, "max_ejection_percent": 50}
    return Mend(patch, f"upstreams: {name}: outlier_detection: {{enabled: true}}")


def capped(seen: Seen, name: str) -> Look:
    """Whether a pool's connections and requests have caps of their own."""
    cluster = _cluster(seen, name)
    if cluster is None:
        return _unseen(name)
    limits = _default(cluster)
    connections = limits.max_connections if limits else None
    requests = limits.max_requests if limits else None
    if connections is None or requests is None:
        return Look(False, f"{name} has no circuit breaker of its own: Envoy's {UNBOUNDED} of each")
    return Look(True, f"{name} takes {connections:g} connections and {requests:g} requests at most")


def to_cap(name: str) -> Mend:
    patch = {"kind": "circuit_breaker", "upstream": name, "max_connections": 256, "max_requests": 512}
    return Mend(patch, f"upstreams: {name}: circuit_breaker: {{max_connections: 256, max_requests: 512}}")


def queue(seen: Seen, name: str) -> Look:
    """Whether what waits for a connection is bounded: else it is queued where it should be refused."""
    cluster = _cluster(seen, name)
    if cluster is None:
        return _unseen(name)
    limits = _default(cluster)
    pending = limits.max_pending_requests if limits else None
    if pending is None or pending >= UNBOUNDED:
        return Look(False, f"{name} queues {pending or UNBOUNDED:g} requests before it refuses one")
    return Look(True, f"{name} queues {pending:g} requests at most, and refuses the rest with a fast 503")


def to_shorten_queue(name: str) -> Mend:
    patch = {"kind": "circuit_breaker", "upstream": name, "max_pending_requests": PENDING}
    return Mend(patch, f"upstreams: {name}: circuit_breaker: {{max_pending_requests: {PENDING}}}")


def balanced(seen: Seen, name: str) -> Look:
    """Whether each request goes its own way; or else, whether connections end, to be spread anew."""
    cluster = _cluster(seen, name)
    if cluster is None:
        return _unseen(name)
    policy = cluster.balancing.rpartition(".")[2].lower()
    if policy not in _SPREADING:
        return Look(False, f"{name} is balanced by {policy}: what has one hash goes to one endpoint")
    ends = [
        key for key in ("max_requests_per_connection", "max_connection_duration") if key in cluster.limits
    ]
    if cluster.endpoints == 1 and cluster.protocol != "http1" and not ends:
        alone = f"{name} is one address over {cluster.protocol}, and connections to it never end"
        return Look(None, f"{alone}: if a balancer is behind it, they stay with one backend each")
    return Look(True, f"{name} is balanced by {policy}, request by request")


def to_balance(name: str) -> Mend:
    patch = {"kind": "lb_policy", "upstream": name, "lb_policy": "least_request"}
    return Mend(patch, f"upstreams: {name}: lb_policy: least_request")


def _cluster(seen: Seen, name: str) -> Cluster | None:
    found = [each for each in seen.clusters if each.name == name and each.state in ("active", "static")]
    return found[0] if found else None


def _unseen(name: str) -> Look:
    return Look(None, f"cluster {name} is not shown")


def _default(cluster: Cluster) -> Thresholds | None:
    return next((each for each in cluster.thresholds if each.priority == "DEFAULT"), None)


def _enforced(found: Mapping[str, float], detector: str) -> bool:
    if found.get(f"enforcing_{detector}", _DETECTORS[detector]) <= 0:
        return False
    return detector in _WITHOUT_NUMBER or found.get(detector, 5) > 0
