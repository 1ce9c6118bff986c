"""What an Envoy really runs, read out of its own answers; and where that differs from what it should run."""

from collections.abc import Mapping
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.tier.mirrors import copies_of, mirrored_of
from proxy.domain.translate.splits import METADATA, runtime_prefix
from proxy.domain.translate.tables import routes_of

ADMIN_LAYER = "admin"


def splits(tables: Mapping[str, Any], runtime: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Each route's weights in basis points, from `/config_dump` and `/runtime`.

    As Envoy does it: the runtime's value where there is one, else the route's own. A route without a
    split, such as a redirect, has none.
    """
    entries = runtime.get("entries", {})
    found: dict[str, dict[str, int]] = {}
    for route in _routes(tables):
        name = route.get("name", "")
        found.setdefault(name, {})
        for arm in route.get("route", {}).get("weighted_clusters", {}).get("clusters", ()):
            value = entries.get(f"{runtime_prefix(name)}.{arm['name']}", {}).get("final_value", "")
            weight = int(value) if value.isdigit() else int(arm.get("weight", 0))
            found[name][arm["name"]] = weight
    return found


def chosen(tables: Mapping[str, Any], route: str) -> frozenset[tuple[str, str]]:
    """What of a route goes to upstreams beside its weights, as `Routing.told`, from `/config_dump`."""
    named = [each for each in _routes(tables) if each.get("name") == route]
    found = set()
    for each in named:
        said = each.get("metadata", {}).get("filter_metadata", {}).get(METADATA, {})
        if said.get("chosen") == "attribute":
            found.add((each.get("route", {}).get("cluster", ""), said.get("by", "")))
    copies = (policy for each in named for policy in each.get("route", {}).get("request_mirror_policies", ()))
    return frozenset({*found, *map(_copied, copies)})


def _copied(policy: Mapping[str, Any]) -> tuple[str, str]:
    share = policy.get("runtime_fraction", {}).get("default_value", {}).get("numerator", 0)
    return mirrored_of(policy.get("cluster", "")), copies_of(share)


def overrides(runtime: Mapping[str, Any]) -> dict[str, str]:
    """Runtime keys that the admin layer, the topmost, sets."""
    layers = runtime.get("layers", [])
    if ADMIN_LAYER not in layers:
        return {}
    place = layers.index(ADMIN_LAYER)
    return {
        key: entry["layer_values"][place]
        for key, entry in sorted(runtime.get("entries", {}).items())
        if entry["layer_values"][place]
    }


def drift(
    tier: Tier, found: Mapping[str, Mapping[str, int]], overridden: Mapping[str, str]
) -> tuple[str, ...]:
    """In words, each way in which a proxy that acknowledged this tier runs something else."""
    by_hand = [f"{key} = {value} is set by hand in the admin layer" for key, value in overridden.items()]
    wrong = []
    for route in tier.routes:
        runs = found.get(route.name)
        wants = dict(route.split)
        if runs is None:
            wrong.append(f"route {route.name} is not there")
        elif dict(runs) != wants:
            wrong.append(f"route {route.name} runs {_spoken(runs)}, not {_spoken(wants)}")
    return (*by_hand, *wrong)


def _routes(tables: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        route
        for config in tables.get("configs", ())
        for host in config.get("route_config", {}).get("virtual_hosts", ())
        for route in routes_of(host)
    ]


def _spoken(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in weights.items())
