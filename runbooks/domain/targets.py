"""What a run is about: a route or an upstream of a tier by its name, or the whole tier."""

from collections.abc import Collection, Mapping

from proxy.domain.tier import Tier
from runbooks.domain.definition import Scope
from runbooks.domain.signals import By


def target_of(tier: str, scope: str, subject: str) -> str:
    """As audit and pages name it: `edge/route/shop`, `edge/upstream/shop-v1`, `edge`."""
    return f"{tier}/{scope}/{subject}" if subject else tier


def labels_of(tier: str, scope: str, subject: str) -> dict[str, str]:
    """What identifies its alert."""
    return {"tier": tier, scope: subject} if subject else {"tier": tier}


def subjects(scope: Scope, tier: Tier) -> tuple[str, ...]:
    """Everything of the tier that a runbook of this scope looks at."""
    match scope:
        case "route":
            return tuple(route.name for route in tier.routes)
        case "upstream":
            return tuple(upstream.name for upstream in tier.upstreams)
        case "tier":
            return ("",)


def splits_of(tier: Tier) -> dict[str, dict[str, int]]:
    """Each route's weights by upstream."""
    return {route.name: dict(route.split) for route in tier.routes}


def members(
    by: By, scope: Scope, subject: str, splits: Mapping[str, Mapping[str, int]]
) -> Collection[str] | None:
    """Which series of a query told apart `by` this belong to the subject; None is all of them."""
    if by == "tier" or by == "proxy" or scope == "tier":
        return None
    if by == scope:
        return (subject,)
    if scope == "route":
        return splits[subject]
    return [route for route, split in splits.items() if subject in split]


def upstreams_of(scope: Scope, subject: str, tier: Tier) -> tuple[str, ...]:
    """The upstreams that get the subject's traffic, by name."""
    match scope:
        case "route":
            found = tier.route(subject)
            return tuple(sorted(name for name, weight in found.split.items() if weight)) if found else ()
        case "upstream":
            return (subject,)
        case "tier":
            return tuple(sorted(upstream.name for upstream in tier.upstreams))
