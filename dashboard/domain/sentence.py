"""One plain sentence per tier: is it the proxy or a backend, and is a machine already acting?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from dashboard.domain.figures import duration, milliseconds, percent
from dashboard.domain.look import ACTING, BAD, GOOD, UNKNOWN, WAIT

# The proxy's own promise is 99.95 %: a larger share of own failures spends its budget too fast.
PROXY_LIMIT = 0.0005
# A backend has its own owners and objectives; below this share a route is not called broken here.
BACKEND_LIMIT = 0.01
STALE = timedelta(seconds=15)

SHAPES = {look.kind: look.shape for look in (GOOD, ACTING, WAIT, BAD, UNKNOWN)}

# What the proxy answers by itself for what it did, and for what a backend did: the answer is the proxy's both
# times, the fault is not.
PROXY_DOES = {
    "load_shed": "it sheds load",
    "too_large": "an answer is larger than it may hold",
    "max_stream_duration": "a stream lasted too long",
    "circuit_open": "a circuit breaker is open",
    "no_cluster": "a route names no upstream",
    "rate_limited": "a rate limit was reached",
    "auth": "authorisation failed",
    "authority_unavailable": "nobody answers who may come in",
}
BACKEND_DOES = {
    "upstream_timeout": "does not answer in time",
    "per_try_timeout": "does not answer in time",
    "no_healthy_upstream": "has no healthy endpoint left",
    "connect_failed": "refuses connections",
    "upstream_reset": "cuts connections",
}


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What one route does: shares from 0 to 1, None without requests.

    `first_attempts` is the share of failed first attempts by upstream, `reasons` the proxy's own failures
    per second by reason. `idle` names the upstreams that have no weight now: what they did is past.
    """

    route: str
    proxy_ratio: float | None = None
    backend_ratio: float | None = None
    first_attempts: Mapping[str, float | None] = field(default_factory=dict)
    reasons: Mapping[str, float] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()

    @property
    def worst_arm(self) -> str:
        """The upstream with the largest share of failed first attempts; empty when none failed."""
        known = {arm: ratio for arm, ratio in self.first_attempts.items() if ratio}
        return max(known, key=lambda name: known[name], default="")

    @property
    def main_reason(self) -> str:
        """Why the proxy answered by itself most often; empty when it did not."""
        return main_reason(self.reasons)


@dataclass(frozen=True, slots=True)
class TierFacts:
    """What is known about a tier. `age` None: nothing was measured; `unreachable` says why not.

    `paging` are the open incidents that call a person, `burning` the objectives whose budgets burn.
    """

    tier: str
    proxies: int
    connected: int
    age: timedelta | None
    unreachable: str = ""
    added_p99_ms: float | None = None
    threshold_ms: float | None = None
    routes: Sequence[RouteFacts] = ()
    acting: Sequence[str] = ()
    waiting: Sequence[str] = ()
    paging: Sequence[str] = ()
    burning: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """`kind` is a state's kind, `says` whose fault it is, `machine` what the automation does."""

    kind: str
    says: str
    machine: str

    @property
    def shape(self) -> str:
        """The shape of its kind."""
        return SHAPES[self.kind]


def sentence(facts: TierFacts) -> Sentence:
    """The worst thing first; exactly one thing is said, since a list is not read at 3 a.m."""
    kind, says = _trouble(facts)
    return Sentence(kind, says, _machine(facts))


def _trouble(facts: TierFacts) -> tuple[str, str]:
    for look in (_blind, _disconnected, _errors, _slow, _masked, _open):
        found = look(facts)
        if found:
            return found
    added = f", the proxy adds {milliseconds(facts.added_p99_ms)} at p99" if facts.added_p99_ms else ""
    return "good", f"{facts.tier} is healthy: proxies and backends answer{added}."


def _blind(facts: TierFacts) -> tuple[str, str] | None:
    connected = f"{facts.connected} of {facts.proxies} proxies are connected"
    if facts.unreachable:
        return "unknown", f"Nothing is known about {facts.tier}: Prometheus does not answer; {connected}."
    if facts.age is None:
        return "unknown", f"No data about {facts.tier}: no proxy is scraped; {connected}."
    if facts.age > STALE:
        return "unknown", f"No data about {facts.tier} since {duration(facts.age)} ago; {connected}."
    return None


def _disconnected(facts: TierFacts) -> tuple[str, str] | None:
    if facts.connected == facts.proxies:
        return None
    gone = facts.proxies - facts.connected
    which = "The proxy is" if facts.proxies == 1 else f"{gone} of {facts.proxies} proxies are"
    return "wait", f"{which} not connected to Sluice; they keep serving what they last acknowledged."


def _errors(facts: TierFacts) -> tuple[str, str] | None:
    failing = [row for row in facts.routes if (row.proxy_ratio or 0) > PROXY_LIMIT]
    own = [row for row in failing if row.main_reason not in BACKEND_DOES]
    silent = [row for row in failing if row.main_reason in BACKEND_DOES]
    answering = [
        row
        for row in facts.routes
        if (row.backend_ratio or 0) > BACKEND_LIMIT and row.worst_arm not in row.idle
    ]
    theirs = _silent_says(silent) if silent else _answering_says(answering) if answering else ""
    if own:
        return "bad", "; ".join(part for part in (_own_says(own), theirs) if part) + "."
    if theirs:
        return "bad", f"{theirs}." if silent else f"{theirs}; {_rest(facts)}."
    return None


def _own_says(rows: Sequence[RouteFacts]) -> str:
    worst = max(rows, key=lambda row: row.proxy_ratio or 0)
    why = f": {PROXY_DOES[worst.main_reason]}" if worst.main_reason in PROXY_DOES else ""
    return f"The proxy itself fails {percent(worst.proxy_ratio)} of requests to {worst.route}{why}"


def _silent_says(rows: Sequence[RouteFacts]) -> str:
    worst = max(rows, key=lambda row: row.proxy_ratio or 0)
    does, share = BACKEND_DOES[worst.main_reason], percent(worst.proxy_ratio)
    return f"{_who(worst)} {does}; the proxy answers 5xx to {share} of requests to {worst.route} in its place"


def _answering_says(rows: Sequence[RouteFacts]) -> str:
    worst = max(rows, key=lambda row: row.backend_ratio or 0)
    return f"{_who(worst)} fails {percent(worst.backend_ratio)} of requests to {worst.route}"


def _who(row: RouteFacts) -> str:
    return f"Backend {row.worst_arm}" if row.worst_arm else "A backend"


def main_reason(reasons: Mapping[str, float]) -> str:
    """The most frequent of the proxy's own reasons; empty without one."""
    return max(reasons, key=lambda name: reasons[name], default="")


def _rest(facts: TierFacts) -> str:
    limit = facts.threshold_ms
    if facts.added_p99_ms is not None and limit is not None and facts.added_p99_ms > limit:
        return f"the proxy is slow too, it adds {milliseconds(facts.added_p99_ms)} at p99"
    return "the proxy fails none"


def _slow(facts: TierFacts) -> tuple[str, str] | None:
    if facts.added_p99_ms is None or facts.threshold_ms is None or facts.added_p99_ms <= facts.threshold_ms:
        return None
    slow, limit = milliseconds(facts.added_p99_ms), milliseconds(facts.threshold_ms)
    return "wait", f"The proxy is slow: it adds {slow} at p99, the objective is {limit}; nothing fails."


def _masked(facts: TierFacts) -> tuple[str, str] | None:
    failing = [
        (arm in row.idle, -ratio, arm, row)
        for row in facts.routes
        for arm, ratio in row.first_attempts.items()
        if ratio is not None and ratio > BACKEND_LIMIT
    ]
    if not failing:
        return None
    idle, ratio, arm, row = min(failing, key=lambda each: each[:3])
    if idle:
        return "acting", f"Backend {arm} failed on {row.route}; its traffic was taken away, the rest answers."
    felt = (
        f"{percent(row.backend_ratio)} of the route's requests fail"
        if row.backend_ratio
        else "retries heal it"
    )
    return "wait", f"Backend {arm} fails {percent(-ratio)} of first attempts on {row.route}; {felt}."


def _open(facts: TierFacts) -> tuple[str, str] | None:
    """Requests are answered now, but it is not over: what calls a person, or what spends a promise."""
    parts = []
    if facts.paging:
        rest = len(facts.paging) - 1
        parts.append(f"{facts.paging[0]} {f'and {rest} more are' if rest else 'is'} open")
    if facts.burning:
        whose = "the budget of" if len(facts.burning) == 1 else "the budgets of"
        verb = "burns" if len(facts.burning) == 1 else "burn"
        parts.append(f"{whose} {', '.join(facts.burning)} {verb}")
    if not parts:
        return None
    return "wait", f"{facts.tier} answers now, but {'; '.join(parts)}."


def _machine(facts: TierFacts) -> str:
    parts = list(facts.acting)
    if facts.waiting:
        parts.append(f"a person is needed: {'; '.join(facts.waiting)}")
    if not parts:
        return "No machine is acting."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
