"""How many requests a second an upstream can take, by what was declared of its endpoints."""

from proxy.domain.tier import Upstream


def declared_rps(upstream: Upstream, healthy: int | None = None) -> float | None:
    """Requests per second that `healthy` of its endpoints take together; None where one's is not declared.

    Endpoints get requests by their weights: the one with the least capacity for its weight bounds them all.
    Which of them are healthy is not known here: those with the least weights are taken. None: all are.
    """
    endpoints = upstream.endpoints
    capacities = [one.capacity_rps or upstream.capacity_rps for one in endpoints]
    known = [capacity for capacity in capacities if capacity is not None]
    if not endpoints or len(known) < len(endpoints):
        return None
    for_each_weight = min(rps / one.weight for rps, one in zip(known, endpoints, strict=True))
    count = len(endpoints) if healthy is None else max(healthy, 0)
    return for_each_weight * sum(sorted(one.weight for one in endpoints)[:count])
