"""Pictures beside each other: what proxies that should serve alike do not have alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from proxy.domain.observing.seen import Listener, Seen


@dataclass(frozen=True, slots=True)
class Difference:
    """A part that is not the same everywhere; `proxies` are those that have it as the first one has, `others`
    those that have it otherwise or not at all.
    """

    kind: str
    name: str
    proxies: tuple[str, ...]
    others: tuple[str, ...]


def differences(seen: Mapping[str, Seen]) -> tuple[Difference, ...]:
    """Of proxies by name. Where a listener is bound differs with the machine and is no difference."""
    parts = {proxy: _parts(each) for proxy, each in seen.items()}
    every = sorted({key for found in parts.values() for key in found})
    differing = []
    for kind, name in every:
        holders = [proxy for proxy in parts if (kind, name) in parts[proxy]]
        first = parts[holders[0]][(kind, name)]
        alike = tuple(proxy for proxy in parts if parts[proxy].get((kind, name)) == first)
        others = tuple(proxy for proxy in parts if proxy not in alike)
        if others:
            differing.append(Difference(kind, name, alike, others))
    return tuple(differing)


def idle_clusters(seen: Iterable[Seen]) -> tuple[str, ...]:
    """Clusters that no route leads to: control planes, tracing and the like, whose requests no client sent.

    Empty where a picture has no routes, or a route chooses its cluster for each request.
    """
    clusters: set[str] = set()
    led_to: set[str] = set()
    for each in seen:
        forwarding = [route for route in each.routes if route.action == "route"]
        if not forwarding or not all(route.arms for route in forwarding):
            return ()
        clusters |= {cluster.name for cluster in each.clusters if cluster.name}
        led_to |= {arm for route in forwarding for arm in route.arms}
    return tuple(sorted(clusters - led_to))


def _parts(seen: Seen) -> dict[tuple[str, str], Any]:
    return {
        **{("listener", each.name): _unbound(each) for each in seen.listeners},
        **{("routes", each.name): each.routes for each in seen.tables},
        **{("cluster", each.name): each for each in seen.clusters},
    }


def _unbound(listener: Listener) -> Listener:
    return replace(listener, address="", port=None)
