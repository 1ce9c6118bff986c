"""How much of a tier patches touch: its routes, and the proxies and endpoints that they leave out."""

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.domain.tier import Tier

# What has neither a route nor an upstream and is still felt by every client of the tier.
TIER_WIDE = frozenset({"limits", "connection_cycling", "accept_brake"})


def routes_touched(patches: Sequence[Mapping[str, Any]], splits: Mapping[str, Mapping[str, int]]) -> set[str]:
    """The routes that the patches change, by each route's split over upstreams; all by what is tier-wide."""
    if any(patch["kind"] in TIER_WIDE for patch in patches):
        return set(splits)
    named = {patch["route"] for patch in patches if patch.get("route") in splits}
    upstreams = {patch["upstream"] for patch in patches if patch.get("upstream")}
    return named | {route for route, split in splits.items() if not upstreams.isdisjoint(split)}


def left_out(patches: Sequence[Mapping[str, Any]], tier: Tier, *, share: float) -> str:
    """What would leave out more than its share of the proxies, or of an upstream's endpoints, or nothing.

    One may always be left out, and never the last.
    """
    proxies = {patch["proxy"] for patch in patches if patch["kind"] == "drain_proxy"}
    if _too_many(len(proxies), len(tier.proxies), share):
        return f"it would leave {len(proxies)} of {len(tier.proxies)} proxies out"
    for upstream in tier.upstreams:
        drained = {
            label
            for patch in patches
            if patch["kind"] == "drain" and patch["upstream"] == upstream.name
            for label in patch["endpoints"]
        }
        if _too_many(len(drained), len(upstream.endpoints), share):
            return (
                f"it would leave {len(drained)} of {len(upstream.endpoints)} endpoints of {upstream.name} out"
            )
    return ""


def _too_many(left: int, whole: int, share: float) -> bool:
    return left > 0 and left > min(whole - 1, max(1, int(whole * share)))
