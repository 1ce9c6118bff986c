"""What an overlay changes: small tagged pieces of JSON laid over a tier.

Target strings name what a patch changes and what a lease is held on: `route/shop/weights`,
`route/shop/retry`, `upstream/shop-v1/retry_budget`, `upstream/shop-v1/endpoints`, `proxy/edge-1/drain`,
`clients/limits`. One kind has one target; no two kinds change the same field of a tier.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from proxy.domain.errors import Invalid, UnknownTarget
from proxy.domain.patches.clients import (
    BRAKE,
    CYCLING,
    LIMITS,
    PENALTY,
    AcceptBrake,
    Cycling,
    PenaltyPatch,
    TighterLimits,
)
from proxy.domain.patches.proxies import DrainProxy
from proxy.domain.patches.routes import RetryOff, Weights
from proxy.domain.patches.upstreams import (
    Balancing,
    Drain,
    RetryBudgetPercent,
    Shed,
    TighterCircuitBreaker,
    TighterOutlierDetection,
    UpstreamCycling,
)
from proxy.domain.tier import Tier

__all__ = [
    "PENALTY",
    "AcceptBrake",
    "AnyPatch",
    "Balancing",
    "Cycling",
    "Drain",
    "DrainProxy",
    "PenaltyPatch",
    "RetryBudgetPercent",
    "RetryOff",
    "Shed",
    "TighterCircuitBreaker",
    "TighterLimits",
    "TighterOutlierDetection",
    "UpstreamCycling",
    "Weights",
    "apply_patches",
    "check",
    "check_target",
    "parse",
    "target_of",
]

AnyPatch = (
    Weights
    | RetryOff
    | RetryBudgetPercent
    | TighterCircuitBreaker
    | TighterOutlierDetection
    | Balancing
    | UpstreamCycling
    | Shed
    | Drain
    | PenaltyPatch
    | TighterLimits
    | Cycling
    | AcceptBrake
    | DrainProxy
)
Patch = Annotated[AnyPatch, Field(discriminator="kind")]
_PATCH: TypeAdapter[AnyPatch] = TypeAdapter(Patch)
_OF_ROUTES = ("weights", "retry")
_OF_UPSTREAMS = (
    "retry_budget",
    "endpoints",
    "circuit_breaker",
    "outlier_detection",
    "lb_policy",
    "connection",
    "shed",
)


def parse(patch: Mapping[str, Any]) -> AnyPatch:
    """The typed patch. Raises Invalid."""
    try:
        return _PATCH.validate_python(dict(patch))
    except ValidationError as error:
        raise Invalid((".".join(map(str, item["loc"])), item["msg"]) for item in error.errors()) from error


def target_of(patch: Mapping[str, Any]) -> str:
    """The target that the patch changes. Raises Invalid."""
    return parse(patch).target


def check(tier: Tier, patch: Mapping[str, Any]) -> None:
    """Raises Invalid or UnknownTarget where the patch does not fit the tier."""
    parse(patch).check(tier)


def check_target(tier: Tier, target: str) -> None:
    """Raises UnknownTarget where nothing in the tier bears this target string."""
    asking = [route.name for route in tier.routes if route.split]
    known = {f"route/{name}/{what}" for name in asking for what in _OF_ROUTES}
    known |= {f"upstream/{up.name}/{what}" for up in tier.upstreams for what in _OF_UPSTREAMS}
    known |= {f"proxy/{proxy.name}/drain" for proxy in tier.proxies}
    if target not in known | {PENALTY, LIMITS, CYCLING, BRAKE}:
        raise UnknownTarget(f"tier {tier.name} has no target {target}")


def apply_patches(tier: Tier, patches: Iterable[Mapping[str, Any]]) -> Tier:
    """The tier with the patches laid over it, in order. Raises Invalid or UnknownTarget."""
    for patch in patches:
        laid = parse(patch)
        laid.check(tier)
        tier = laid.over(tier)
    return tier
