"""What a scraped counter says of which arm: attempts, requests, and requests slower than a bucket's edge."""

from collections.abc import Collection, Mapping, Sequence
from math import inf

from canary.domain.latency import part
from canary.domain.metrics import DEFAULT, Metric
from canary.domain.odds import Cell
from telemetry.domain.failure import failed
from telemetry.domain.promql import edge, equal, literal, matching, selector, unequal

ATTEMPT = "envoy_sluice_attempt"
REQUEST = "envoy_sluice_rq"
UP = "up"
HISTOGRAMS = {
    "added_latency": "envoy_sluice_added_us_bucket",
    "total_latency": "envoy_sluice_total_us_bucket",
}
_NAMES = {series: name for name, series in HISTOGRAMS.items()}
# A proxy-made failure counts against an arm only where the arm's own pool or connection caused it: connect
# failure, termination, overflow, timeout, remote reset, protocol error, idle stream.
POOL_FLAGS = frozenset({"UF", "UC", "UO", "UT", "UR", "UPE", "SI"})


class Tally:
    """What was counted of the two arms at one proxy in one tick. `edges` are each histogram's, finite."""

    def __init__(self, canary: str, control: Collection[str], edges: Mapping[str, Collection[float]]) -> None:
        self._edges = edges
        self._arms = {**dict.fromkeys(control, 2), canary: 0}
        self._counts: dict[str, list[int]] = {"first_attempt": [0] * 4, "final": [0] * 4}
        self._buckets: dict[str, dict[float, list[int]]] = {}

    def add(self, labels: Mapping[str, str], grown: int) -> None:
        """One counter, with its labels and by how much it grew."""
        arm = self._arms.get(labels.get("arm", ""))
        if arm is None or not grown:
            return
        histogram = _NAMES.get(labels.get("__name__", ""))
        if histogram:
            buckets = self._buckets.setdefault(histogram, {})
            buckets.setdefault(edge(labels["le"]), [0, 0])[arm // 2] += grown
            return
        judged = outcome(labels)
        if judged is not None:
            name, bad = judged
            self._counts[name][arm] += grown
            self._counts[name][arm + 1] += grown * bad

    def cells(self) -> dict[str, Cell]:
        """By part: a counting metric's name, or a histogram's and an edge of it.

        A histogram in which nothing was counted says nothing: its proxy has not flushed it since.
        """
        found = {name: Cell(*counts) for name, counts in self._counts.items()}
        for name, buckets in self._buckets.items():
            whole = buckets.get(inf, [0, 0])
            for bound in self._edges[name]:
                slow = [
                    max(0, n - within) for n, within in zip(whole, buckets.get(bound, [0, 0]), strict=True)
                ]
                found[part(name, bound)] = Cell(whole[0], slow[0], whole[1], slow[1])
        return found


def edges_of(labels: Sequence[Mapping[str, str]]) -> dict[str, list[float]]:
    """The finite edges of each histogram among the series with these labels, rising."""
    found: dict[str, set[float]] = {}
    for one in labels:
        name = _NAMES.get(one.get("__name__", ""))
        if name and edge(one["le"]) != inf:
            found.setdefault(name, set()).add(edge(one["le"]))
    return {name: sorted(bounds) for name, bounds in found.items()}


def queries(tier: str, *routes: str, metrics: Sequence[Metric] = DEFAULT) -> tuple[str, ...]:
    """The selectors to read raw: first attempts, requests, which scrapes there were, and histograms.

    Requests that chose their arm by an attribute are left out: those who ask for a canary are no sample of
    the traffic, and among the control's requests there is nobody like them. Of the added latency, as
    everywhere, requests of one attempt: in the others the backend's time is in it.
    """
    drawn, where = [_one_of(routes), unequal("chosen", "attribute")], {"tier": tier}
    once = {"added_latency": [equal("attempts", "1")]}
    return (
        selector(ATTEMPT, *drawn, **where),
        selector(REQUEST, *drawn, **where),
        selector(UP, unequal("proxy", ""), tier=tier),
        *(
            selector(HISTOGRAMS[metric.name], *drawn, *once.get(metric.name, []), **where)
            for metric in metrics
            if metric.kind == "latency"
        ),
    )


def _one_of(routes: Sequence[str]) -> str:
    if len(routes) == 1:
        return equal("route", routes[0])
    return matching("route", "|".join(literal(route) for route in routes))


def outcome(labels: Mapping[str, str]) -> tuple[str, bool] | None:
    """Which metric a counter belongs to and whether what it counts failed; None where it says nothing.

    Nothing is said by retries (attempts after the first), by clients that left, and by failures that the
    proxy made for reasons of its own. Code 0 with no flag is a client that left: every route's per-try
    timeout is below its timeout, so that a timeout reads UT.
    """
    code, flags = labels.get("code", ""), set(labels.get("flags", "").split(","))
    if labels.get("__name__") == ATTEMPT:
        if labels.get("attempt") != "1" or (code == "0" and not flags & POOL_FLAGS):
            return None
        return "first_attempt", failed(labels)
    if labels.get("__name__") != REQUEST or code == "0" or labels.get("reason") == "client_gone":
        return None
    if not failed(labels):
        return "final", False
    theirs = labels.get("reason") == "backend" or bool(flags & POOL_FLAGS)
    return ("final", True) if theirs else None
