"""The split of a route: arms chosen by attribute, then by weight, drawn anew or kept by the visitor.

A route is one or more of Envoy's, side by side under one name, so that all of a route's requests are measured
as one. Those that share the weights share their runtime keys: an overlay moves all of them at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.domain.tier import Route, Tier
from proxy.domain.tier.matching import Conditions, Cookie
from proxy.domain.tier.splits import Sticky

METADATA = "sluice"
"""What an arm by attribute says of itself: `chosen`, and `by` which conditions in words."""
CHOSEN = f"%METADATA(ROUTE:{METADATA}:chosen)%"
"""`attribute` where an arm's own conditions chose it; nothing where the weights did."""

Order = Mapping[str, int]
"""Each upstream's place among those of its tier."""
_BY_REQUEST = {"header": {"header_name": "x-request-id"}}


@dataclass(frozen=True, slots=True)
class Way:
    """One of Envoy's routes: what it takes beyond the route's match, and where it sends."""

    conditions: tuple[Conditions, ...]
    to: dict[str, Any]
    beside: dict[str, Any] = field(default_factory=dict)


def runtime_prefix(route: str) -> str:
    """Below this runtime key each arm has its weight, under the upstream's name."""
    return f"split.{route}"


def order(tier: Tier) -> Order:
    """The declared upstreams, to be found out once: there may be thousands, and as many routes."""
    return {upstream.name: place for place, upstream in enumerate(tier.upstreams)}


def arms(order: Order, route: Route) -> list[tuple[str, int]]:
    """The split in the order of the declared upstreams.

    A visitor's hash falls into the range of one arm: with a steady order and a constant total, an arm that
    only grows keeps everybody whom it had.
    """
    return sorted(route.split.items(), key=lambda arm: order.get(arm[0], len(order)))


def ways(order: Order, route: Route) -> Iterator[Way]:
    """In the order of trying: arms by attribute, known visitors, everybody else."""
    for arm in route.arms:
        chosen = {"chosen": "attribute", "by": arm.told[1]}
        yield Way(
            (arm.match,), {"cluster": arm.upstream}, {"metadata": {"filter_metadata": {METADATA: chosen}}}
        )
    weighted = {**_weighted(order, route), **_mirrored(route)}
    if route.sticky is None:
        yield Way((), weighted)
    elif route.sticky.header is not None:
        yield Way((), _hashed(weighted, {"header": {"header_name": route.sticky.header}}))
    else:
        yield from _by_cookie(route.sticky, str(route.sticky.cookie), weighted)


def mirror_key(route: str) -> str:
    """The runtime key of a route's copies: 0 by hand stops them at once, whatever is served."""
    return f"mirror.{route}"


def _mirrored(route: Route) -> dict[str, Any]:
    if route.mirror is None:
        return {}
    share = {"numerator": route.mirror.share, "denominator": "TEN_THOUSAND"}
    policy = {
        "cluster": route.mirror.cluster(route.name),
        "runtime_fraction": {"default_value": share, "runtime_key": mirror_key(route.name)},
        # A backend that looks at the host is to see the one that the client asked.
        "disable_shadow_host_suffix_append": True,
    }
    return {"request_mirror_policies": [policy]}


def _by_cookie(sticky: Sticky, name: str, weighted: dict[str, Any]) -> Iterator[Way]:
    """Envoy's own cookie hash sets no cookie where weights decide, so a new visitor has a way of its own.

    There the hash of the request's id draws the arm; the id becomes the cookie and is hashed from there on.
    """
    known = Conditions(cookies=(Cookie(name=name, safe_regex=".+"),))
    yield Way((known,), _hashed(weighted, {"cookie": {"name": name}}))
    attributes = f"Path=/; Max-Age={int(sticky.ttl.total_seconds())}; HttpOnly; SameSite=Lax"
    cookie = f"{name}=%REQ(x-request-id)%; {attributes}{'; Secure' if sticky.secure else ''}"
    header = {"header": {"key": "set-cookie", "value": cookie}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}
    yield Way((), _hashed(weighted), {"response_headers_to_add": [header]})


def _hashed(weighted: dict[str, Any], *first: dict[str, Any]) -> dict[str, Any]:
    """By the first hash that there is, at last by the request's id, which the proxy makes itself.

    Not terminal, a policy would be mixed with the next, and every request with its id.
    """
    policies = [{**policy, "terminal": True} for policy in (*first, _BY_REQUEST)]
    clusters = {**weighted["weighted_clusters"], "use_hash_policy": True}
    return {"hash_policy": policies, **weighted, "weighted_clusters": clusters}


def _weighted(order: Order, route: Route) -> dict[str, Any]:
    return {
        "weighted_clusters": {
            "runtime_key_prefix": runtime_prefix(route.name),
            "clusters": [{"name": arm, "weight": weight} for arm, weight in arms(order, route)],
        }
    }
