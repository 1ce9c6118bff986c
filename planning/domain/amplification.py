"""How much load one request can become behind layers that each retry.

A request that fails is tried again at every layer, so that with 3 attempts at each of a gateway and two
services a database gets 3 x 3 x 3 = 27 times the load. A budget bounds a layer: of F first attempts it
retries at most a share p, so that whatever fails it sends F (1 + p) and no more.

    worst case of a layer      tries, as if no budget were there
    with budgets               min(tries, 1 + p)

A service's load is what arrives there over what is meant to: over every call into it, the caller's load x
its calls per request x what the layers of the call make of each. One request enters at each service that
nobody calls.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from planning.domain.graph import Call, CallGraph


@dataclass(frozen=True, slots=True)
class Policy:
    """How a layer retries: `tries` in all, and the share of first attempts that its budget allows, 0 to 1.

    `budget` is None where retries have no other bound than their number.
    """

    tries: int
    budget: float | None = None

    @property
    def worst(self) -> float:
        """Attempts per request when everything fails and no budget holds."""
        return float(self.tries)

    @property
    def budgeted(self) -> float:
        """Attempts per request when everything fails."""
        return self.worst if self.budget is None else min(self.worst, 1 + self.budget)


@dataclass(frozen=True, slots=True)
class Layer:
    """One place that may retry: a service's own client, or a route (`tier/route`)."""

    name: str
    is_route: bool
    policy: Policy

    @property
    def retries(self) -> bool:
        return self.policy.tries > 1 and self.policy.budget != 0


@dataclass(frozen=True, slots=True)
class Load:
    """What one request that is meant for a service can become there, at worst and with budgets.

    `layers` are those of the path that multiplies most, the client's first. `keep` is the one of them that
    should go on retrying, where several do.
    """

    service: str
    worst: float
    budgeted: float
    layers: tuple[Layer, ...] = ()
    keep: str = ""

    @property
    def retrying(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.retries)

    @property
    def others(self) -> tuple[str, ...]:
        """The layers that should stop retrying."""
        return tuple(layer.name for layer in self.retrying if self.keep and layer.name != self.keep)

    @property
    def worst_words(self) -> str:
        return times(self.worst)

    @property
    def budgeted_words(self) -> str:
        return times(self.budgeted)

    @property
    def formula(self) -> str:
        """The worst case as the source writes it: "3 (edge/shop) x 3 (shop) x 3 (stock)"."""
        parts = (f"{layer.policy.tries} ({layer.name})" for layer in self.layers)
        return " x ".join(parts)


def times(load: float) -> str:
    """A multiple as people read it: "x27", "x1.2"."""
    return f"x{load:.3g}"


@dataclass(frozen=True, slots=True)
class Amplification:
    """Every service that is called, callers first, and the routes that no tier has."""

    loads: tuple[Load, ...] = ()
    unknown: tuple[str, ...] = ()

    def load(self, service: str) -> Load | None:
        return next((load for load in self.loads if load.service == service), None)

    @property
    def flagged(self) -> tuple[Load, ...]:
        """The services behind more than one layer that retries."""
        return tuple(load for load in self.loads if len(load.retrying) > 1)


@dataclass(frozen=True, slots=True)
class _Flow:
    """Requests that a service gets for each that enters: meant, at worst, with budgets.

    `layers` are those of the path that multiplies most.
    """

    meant: float
    worst: float
    budgeted: float
    layers: tuple[Layer, ...] = ()


ENTRY = _Flow(1.0, 1.0, 1.0)


def amplification(graph: CallGraph, routes: Mapping[str, Policy]) -> Amplification:
    """Every service's load by the live policies of `routes`. A route that is not there counts as one try."""
    flows: dict[str, _Flow] = {}
    for service in graph.order():
        calls = list(graph.into(service))
        flows[service] = _into(calls, flows, routes) if calls else ENTRY
    called = {call.callee for call in graph.calls}
    loads = (_load(service, flow, graph) for service, flow in flows.items() if service in called)
    asked = dict.fromkeys(call.route for call in graph.calls if call.route)
    return Amplification(tuple(loads), tuple(route for route in asked if route not in routes))


def _into(calls: Sequence[Call], flows: Mapping[str, _Flow], routes: Mapping[str, Policy]) -> _Flow:
    arriving = [_through(call, flows[call.caller], tuple(_layers(call, routes))) for call in calls]
    return _Flow(
        meant=sum(flow.meant for flow in arriving),
        worst=sum(flow.worst for flow in arriving),
        budgeted=sum(flow.budgeted for flow in arriving),
        layers=max(arriving, key=lambda flow: flow.worst / flow.meant).layers,
    )


def _through(call: Call, caller: _Flow, layers: tuple[Layer, ...]) -> _Flow:
    return _Flow(
        meant=caller.meant * call.per_request,
        worst=caller.worst * call.per_request * prod(layer.policy.worst for layer in layers),
        budgeted=caller.budgeted * call.per_request * prod(layer.policy.budgeted for layer in layers),
        layers=(*caller.layers, *layers),
    )


def _load(service: str, flow: _Flow, graph: CallGraph) -> Load:
    keep = _keep(flow.layers, graph.retries_at)
    return Load(service, flow.worst / flow.meant, flow.budgeted / flow.meant, flow.layers, keep)


def _layers(call: Call, routes: Mapping[str, Policy]) -> Iterator[Layer]:
    """The caller's own client stands before the route that it goes through."""
    if call.attempts > 1:
        budget = None if call.budget_percent is None else call.budget_percent / 100
        yield Layer(call.caller, False, Policy(call.attempts, budget))
    if call.route is not None and call.route in routes:
        yield Layer(call.route, True, routes[call.route])


def _keep(layers: Sequence[Layer], retries_at: str | None) -> str:
    """The layer that should go on retrying: the designated one, else the one closest to the client."""
    retrying = [layer.name for layer in layers if layer.retries]
    if len(retrying) < 2:
        return ""
    return retries_at if retries_at in retrying else retrying[0]


def worse(now: Amplification, then: Amplification) -> tuple[str, ...]:
    """What a change makes worse, a line a service: with budgets, or in the worst case."""
    return tuple(line for load in then.loads if (line := _worsened(now.load(load.service), load)))


def _worsened(before: Load | None, after: Load) -> str:
    was = before or Load(after.service, 1.0, 1.0)
    if after.worst <= was.worst and after.budgeted <= was.budgeted:
        return ""
    return (
        f"one request can become {after.budgeted:.3g} at {after.service} (before: {was.budgeted:.3g}),"
        f" {after.worst:.3g} without budgets (before: {was.worst:.3g})"
    )
