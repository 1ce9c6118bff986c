"""What each kind of objective counts: PromQL of events a second, and of the bad ones by who made them.

Labels carry identity: one pair of expressions serves every tier, route and upstream that the kind is asked
of, so that a thousand objectives need the rules of one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from slo.domain.objectives import Objective
from slo.domain.rates import ATTEMPTS, RANGE, REQUESTS
from telemetry.domain import catalogue
from telemetry.domain.failure import BY_BACKEND, Originator, failed_attempts, failed_requests
from telemetry.domain.promql import equal, matching, selector, unequal

Made = Literal["proxy", "backend", "other"]
"""Who made bad events; `other` where nobody can be told: a handshake, a gauge, a person's own PromQL."""
MAKERS: tuple[Made, ...] = ("proxy", "backend", "other")
Place = Literal["tier", "route", "upstream"]
LABELS: tuple[Place, ...] = ("tier", "route", "upstream")
EVENTS, BAD = "sluice:sli_events", "sluice:sli_bad"
"""What is recorded of every indicator, at each place that it is asked of."""

_ROUTED = unequal("route", "")
_CLUSTER = "envoy_cluster_name"
_PRESSURE = "envoy_overload_envoy_resource_monitors_{}_pressure"
_MONITORS = {"connections": "global_downstream_max_connections", "memory": "fixed_heap"}
_BUFFERS = (
    "http_downstream_cx_rx",
    "http_downstream_cx_tx",
    "cluster_upstream_cx_rx",
    "cluster_upstream_cx_tx",
)


@dataclass(frozen=True, slots=True)
class Indicator:
    """Events a second of one `sli` at one place, each expression summed by the labels of that place.

    `only`: labels that the one series of a person's own PromQL is recorded with.
    """

    sli: str
    place: Place
    events: str
    bad: Mapping[Made, str]
    only: tuple[tuple[str, str], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of a recorded series that say where its events happened."""
        return ("tier",) if self.place == "tier" else ("tier", self.place)

    @property
    def recorded(self) -> dict[str, str]:
        """The labels that its rules add. The place is one: a tier and its routes may share an indicator, and
        two rules of one name need labels that differ.
        """
        return {"sli": self.sli, "place": self.place, **dict(self.only)}


def place(objective: Objective) -> Place:
    """What the objective is measured of."""
    return "route" if objective.route else "upstream" if objective.upstream else "tier"


def sli(objective: Objective) -> str:
    """The indicator's name in recorded series; objectives that count the same share one."""
    kind = objective.kind
    if kind in ("ratio", "gauge"):
        return f"{kind}:{objective.tier}/{objective.name}"
    if objective.threshold_us is not None:
        return f"{kind}:{objective.threshold_us}"
    if objective.at_most is not None or objective.at_least is not None:
        what = f"{kind}:{objective.resource}" if objective.resource else kind
        return f"{what}{_bound(objective)}"
    return kind


def needed(objectives: Iterable[Objective]) -> list[Indicator]:
    """The indicators of these objectives, each once, in a steady order."""
    found = {(sli(one), place(one), _own(one)): one for one in objectives}
    return [indicator(found[key]) for key in sorted(found)]


def _own(one: Objective) -> str:
    return f"{one.tier}/{one.name}" if one.kind in ("ratio", "gauge") else ""


def indicator(objective: Objective) -> Indicator:
    """How the objective is counted."""
    events, bad = _MEASURES[objective.kind](objective)
    only: tuple[tuple[str, str], ...] = ()
    if objective.kind in ("ratio", "gauge"):
        only = tuple((label, getattr(objective, label)) for label in LABELS if getattr(objective, label))
    return Indicator(sli(objective), place(objective), events, bad, only)


Measured = tuple[str, Mapping[Made, str]]


def _by(objective: Objective) -> str:
    """The labels of the place."""
    where = place(objective)
    return "tier" if where == "tier" else f"tier, {where}"


def _at(objective: Objective, how: str, values: str, upstream: str = "arm") -> str:
    """`values` by the labels of the place; `upstream` is what Envoy calls that label there."""
    if place(objective) != "upstream":
        return f"{how} by ({_by(objective)}) ({values})"
    inner = f"{how} by (tier, {upstream}) ({values})"
    return f'sum by (tier, upstream) (label_replace({inner}, "upstream", "$1", "{upstream}", "(.+)"))'


def _summed(objective: Objective, *rates: str) -> str:
    """The sum of recorded rates. A series that is in two of them counts once."""
    return _at(objective, "sum", " or ".join(rates))


def _rated(objective: Objective, counter: str, upstream: str = "arm") -> str:
    """The rate over a minute, summed: rate first and then the sum, or a restart would count twice."""
    return _at(objective, "sum", f"rate({counter}[{RANGE}])", upstream)


def _availability(*made: Originator, events: tuple[str, ...]) -> Callable[[Objective], Measured]:
    def measured(objective: Objective) -> Measured:
        total = _summed(objective, selector(REQUESTS, *events))
        return total, {who: _summed(objective, *_failures(who)) for who in made}

    return measured


def _failures(who: Originator) -> list[str]:
    return [selector(REQUESTS, *way) for way in failed_requests(who)]


def _latency(made: Made, metric: str, *matchers: str) -> Callable[[Objective], Measured]:
    """Requests slower than an edge, by the proxies' own histograms, which count in microseconds."""

    def measured(objective: Objective) -> Measured:
        edge = f"{objective.threshold_us}"
        return _slower(objective, made, edge, lambda le: _rated(objective, selector(metric, *matchers, le)))

    return measured


def _backend_latency(objective: Objective) -> Measured:
    """By Envoy's own histogram, which counts in milliseconds."""
    edge = f"{(objective.threshold_us or 0) / 1000:g}".replace(".", r"\.")
    metric, known = "envoy_cluster_upstream_rq_time_bucket", catalogue.UPSTREAMS

    def under(le: str) -> str:
        return _rated(objective, selector(metric, known, le), _CLUSTER)

    return _slower(objective, "backend", edge, under)


def _slower(objective: Objective, made: Made, edge: str, under: Callable[[str], str]) -> Measured:
    """Envoy writes the edge 3000, Prometheus 3 stores 3000.0. Without that edge nothing is known of what is
    slower, so that nothing is counted at all.
    """
    good, by = under(matching("le", rf"{edge}(\.0)?")), _by(objective)
    every = selector(f"{EVENTS}:rate1m", sli=sli(objective), place=place(objective))
    total = f"{under(equal('le', '+Inf'))} and on ({by}) {good}"
    return total, {made: f"clamp_min({every} - on ({by}) {good}, 0)"}


def _first_attempts(objective: Objective) -> Measured:
    every = selector(ATTEMPTS, catalogue.FIRST)
    gone = selector(ATTEMPTS, catalogue.FIRST, equal("code", "0"), equal("flags", "-"))
    failed = [selector(ATTEMPTS, catalogue.FIRST, *way) for way in failed_attempts()]
    total = _at(objective, "sum", f"{every} unless {gone}")
    return total, {"backend": _summed(objective, *failed)}


def _retries(objective: Objective) -> Measured:
    again = selector(ATTEMPTS, unequal("attempt", "1"))
    return _summed(objective, selector(ATTEMPTS)), {"backend": _summed(objective, again)}


def _retry_budget(objective: Objective) -> Measured:
    """Retries that were wanted, and those of them that the upstream's budget refused."""
    sent, refused = (
        _rated(objective, selector(f"envoy_cluster_upstream_rq_{what}", catalogue.UPSTREAMS), _CLUSTER)
        for what in ("retry", "retry_overflow")
    )
    return f"{sent} + {refused}", {"other": refused}


def _handshakes(objective: Objective) -> Measured:
    done, failed = (
        _rated(objective, selector(f"envoy_listener_ssl_{what}", catalogue.CLIENTS))
        for what in ("handshake", "connection_error")
    )
    return f"{done} + {failed}", {"other": failed}


def _tls(objective: Objective) -> Measured:
    """Resumption and fresh handshakes over 5 minutes: a minute of a quiet tier says little."""
    done, reused = (
        f"sum by (tier) (rate({selector(f'envoy_listener_ssl_{what}', catalogue.CLIENTS)}[5m]))"
        for what in ("handshake", "session_reused")
    )
    shares = f"{reused} / ({done} > 0)"
    return _gauged(shares if objective.kind == "tls_resumption" else f"{done} - {reused}", objective)


def _saturation(objective: Objective) -> Measured:
    if objective.resource == "pool":
        used, left = (selector(f"envoy_cluster_{what}", catalogue.UPSTREAMS) for what in _POOL)
        return _gauged(f"{used} / ({used} + {left})", objective)
    return _gauged(_used(objective.resource or ""), objective)


_POOL = ("upstream_rq_active", "circuit_breakers_default_remaining_rq")


def _used(resource: str) -> str:
    """By proxy: a share of the limit, 0 to 1; of buffers the bytes that they hold."""
    if resource == "worker_cpu":
        loop = 'rate(envoy_listener_manager_worker_dispatcher_loop_duration_us_sum{tier!=""}[1m])'
        return f"max by (tier, proxy) ({loop}) / 1e6"
    if resource == "buffers":
        held = (f"sum by (tier, proxy) (envoy_{what}_bytes_buffered)" for what in _BUFFERS)
        return " + ".join(held)
    return f"{_PRESSURE.format(_MONITORS[resource])} / 100"


def _gauged(value: str, objective: Objective) -> Measured:
    """An event is a second in which the gauge has a value; it is bad while the value is out of bounds."""
    events, beyond = (
        _at(objective, "count", values, _CLUSTER)
        for values in (_known(value), f"({value}) {_out(objective)}")
    )
    return events, {"other": beyond}


def _known(value: str) -> str:
    """Without NaN, which is no measurement."""
    return f"({value}) >= -Inf"


def _out(objective: Objective) -> str:
    if objective.at_most is not None:
        return f"> {objective.at_most:f}"
    return f"< {objective.at_least or 0:f}"


def _bound(objective: Objective) -> str:
    if objective.at_most is not None:
        return f"<={objective.at_most:f}"
    return f">={objective.at_least or 0:f}"


def _ratio(objective: Objective) -> Measured:
    total = _rates(objective.total)
    if objective.bad:
        return total, {"other": f"{_rates(objective.bad)} and {total}"}
    return total, {"other": f"clamp_min({total} - ({_rates(objective.good)} or 0 * {total}), 0)"}


def _rates(promql: str) -> str:
    """A NaN or an infinity, as of a quotient of an idle minute, would spoil each window that it is in."""
    return f"(sum{_inside(promql)} >= 0 < Inf)"


def _inside(promql: str) -> str:
    """In brackets, which a comment at the end must not swallow."""
    return f"({promql}\n)" if "#" in promql else f"({promql})"


def _gauge(objective: Objective) -> Measured:
    value = _inside(objective.gauge)
    return f"count({value} >= -Inf)", {"other": f"count({value} {_out(objective)})"}


_MEASURES: Mapping[str, Callable[[Objective], Measured]] = {
    "proxy_availability": _availability("proxy", events=(catalogue.ANSWERED,)),
    "route_availability": _availability("proxy", "backend", events=(catalogue.ANSWERED,)),
    "backend_availability": _availability("backend", events=(BY_BACKEND,)),
    "added_latency": _latency("proxy", catalogue.ADDED, _ROUTED, equal("attempts", "1")),
    "total_latency": _latency("other", catalogue.TOTAL, _ROUTED),
    "backend_latency": _backend_latency,
    "first_attempts": _first_attempts,
    "saturation": _saturation,
    "tls_handshakes": _handshakes,
    "tls_resumption": _tls,
    "tls_fresh": _tls,
    "retries": _retries,
    "retry_budget": _retry_budget,
    "ratio": _ratio,
    "gauge": _gauge,
}
