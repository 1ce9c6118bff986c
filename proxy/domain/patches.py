"""What an overlay changes: small tagged pieces of JSON laid over a tier.

Target strings name what a patch changes and what a lease is held on: `route/shop/weights`,
`route/shop/retry`, `upstream/shop-v1/retry_budget`, `upstream/shop-v1/endpoints`, `proxy/edge-1/drain`,
`clients/penalty`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from proxy.domain import laid_arms
from proxy.domain.errors import Invalid, UnknownTarget
from proxy.domain.tier import WEIGHT_TOTAL, Declared, Penalty, Route, Tier, Upstream, Weight, is_ip
from proxy.domain.tier.mirrors import Mirror
from proxy.domain.tier.splits import Arm

PENALTY = "clients/penalty"


class Weights(Declared):
    """Replaces a route's split. Weights in basis points; an arm that is not named gets 0.

    `arms` by attribute are tried after those that the route declares; a `mirror` stands in for its own.
    """

    kind: Literal["weights"] = "weights"
    route: str
    weights: dict[str, Weight] = Field(min_length=1)
    arms: tuple[Arm, ...] = ()
    mirror: Mirror | None = None

    @property
    def target(self) -> str:
        return f"route/{self.route}/weights"


class RetryOff(Declared):
    """No retries on a route."""

    kind: Literal["retry_off"] = "retry_off"
    route: str

    @property
    def target(self) -> str:
        return f"route/{self.route}/retry"


class RetryBudgetPercent(Declared):
    """Another share of requests that may be retries. The floor goes too: at low traffic it is the whole
    budget.
    """

    kind: Literal["retry_budget"] = "retry_budget"
    upstream: str
    percent: float = Field(ge=0, le=100)
    min_concurrency: int = Field(default=1, ge=0)

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/retry_budget"


class PenaltyPatch(Penalty):
    """Holds clients from some ranges to a few connections, besides those that the tier declares."""

    kind: Literal["penalty"] = "penalty"

    @property
    def target(self) -> str:
        return PENALTY


class Drain(Declared):
    """New requests go to other endpoints; those under way end. Never leaves an upstream without endpoints."""

    kind: Literal["drain"] = "drain"
    upstream: str
    endpoints: tuple[str, ...] = Field(min_length=1)

    @property
    def target(self) -> str:
        return f"upstream/{self.upstream}/endpoints"


class DrainProxy(Declared):
    """A proxy is to be left: it says so where it is asked for its health, and closes connections gently.

    Nothing that is served changes: the proxy is told by its admin interface.
    """

    kind: Literal["drain_proxy"] = "drain_proxy"
    proxy: str

    @property
    def target(self) -> str:
        return f"proxy/{self.proxy}/drain"


AnyPatch = Weights | RetryOff | RetryBudgetPercent | PenaltyPatch | Drain | DrainProxy
Patch = Annotated[AnyPatch, Field(discriminator="kind")]
_PATCH: TypeAdapter[AnyPatch] = TypeAdapter(Patch)


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
    match parse(patch):
        case Weights() as weights:
            _check_weights(tier, weights)
        case RetryOff() as off:
            _route(tier, off.route)
        case RetryBudgetPercent() as budget:
            if tier.upstream(budget.upstream) is None:
                raise UnknownTarget(f"tier {tier.name} has no upstream {budget.upstream}")
        case Drain() as drain:
            _check_drain(tier, drain)
        case DrainProxy() as left:
            if tier.proxy(left.proxy) is None:
                raise UnknownTarget(f"tier {tier.name} has no proxy {left.proxy}")
        case PenaltyPatch():
            pass  # it names nothing of the tier


def check_target(tier: Tier, target: str) -> None:
    """Raises UnknownTarget where nothing in the tier bears this target string."""
    asking = [route.name for route in tier.routes if route.split]
    known = {f"route/{name}/{what}" for name in asking for what in ("weights", "retry")}
    known |= {f"upstream/{up.name}/{what}" for up in tier.upstreams for what in ("retry_budget", "endpoints")}
    known |= {f"proxy/{proxy.name}/drain" for proxy in tier.proxies}
    if target not in known | {PENALTY}:
        raise UnknownTarget(f"tier {tier.name} has no target {target}")


def apply_patches(tier: Tier, patches: Iterable[Mapping[str, Any]]) -> Tier:
    """The tier with the patches laid over it, in order. Raises Invalid or UnknownTarget."""
    for patch in patches:
        check(tier, patch)
        tier = _apply(tier, patch)
    return tier


def _apply(tier: Tier, patch: Mapping[str, Any]) -> Tier:
    match parse(patch):
        case Weights() as weights:
            return _with_route(tier, weights.route, lambda route: _with_weights(route, weights))
        case RetryOff() as off:
            return _with_route(tier, off.route, _without_retries)
        case RetryBudgetPercent() as budget:
            return _with_budget(tier, budget)
        case Drain() as drain:
            return _with_upstream(tier, drain.upstream, lambda upstream: _drained(upstream, drain.endpoints))
        case DrainProxy():
            return tier
        case PenaltyPatch() as penalty:
            return tier.model_copy(update={"protection": tier.protection.with_penalty(penalty)})


def _check_weights(tier: Tier, patch: Weights) -> None:
    if not _route(tier, patch.route).split:
        raise UnknownTarget(f"route {patch.route} has no split: it asks no upstream")
    unknown = [name for name in patch.weights if tier.upstream(name) is None]
    if unknown:
        raise Invalid((f"weights.{name}", f"there is no upstream {name}") for name in unknown)
    total = sum(patch.weights.values())
    if total != WEIGHT_TOTAL:
        raise Invalid([("weights", f"the weights add up to {total}, not {WEIGHT_TOTAL}")])
    route = _route(tier, patch.route)
    wrong = [
        *laid_arms.problems(tier, route, patch.weights, patch.arms),
        *laid_arms.of_copies(tier, route, patch.mirror),
    ]
    if wrong:
        raise Invalid(wrong)


def _route(tier: Tier, name: str) -> Route:
    route = tier.route(name)
    if route is None:
        raise UnknownTarget(f"tier {tier.name} has no route {name}")
    return route


def _with_weights(route: Route, patch: Weights) -> Route:
    split = {**dict.fromkeys(route.split, 0), **patch.weights}
    return route.model_copy(
        update={"split": split, "arms": (*route.arms, *patch.arms), "mirror": patch.mirror or route.mirror}
    )


def _without_retries(route: Route) -> Route:
    return route.model_copy(update={"retry": route.retry.model_copy(update={"attempts": 0})})


def _with_route(tier: Tier, name: str, change: Any) -> Tier:
    place = next(place for place, route in enumerate(tier.routes) if route.name == name)
    routes = (*tier.routes[:place], change(tier.routes[place]), *tier.routes[place + 1 :])
    return tier.model_copy(update={"routes": routes})


def _with_budget(tier: Tier, patch: RetryBudgetPercent) -> Tier:
    def change(upstream: Upstream) -> Upstream:
        floor = min(patch.min_concurrency, upstream.retry_budget.min_concurrency)
        budget = {"percent": patch.percent, "min_concurrency": floor}
        return upstream.model_copy(update={"retry_budget": upstream.retry_budget.model_copy(update=budget)})

    return _with_upstream(tier, patch.upstream, change)


def _with_upstream(tier: Tier, name: str, change: Callable[[Upstream], Upstream]) -> Tier:
    upstreams = tuple(change(upstream) if upstream.name == name else upstream for upstream in tier.upstreams)
    return tier.model_copy(update={"upstreams": upstreams})


def _check_drain(tier: Tier, patch: Drain) -> None:
    upstream = tier.upstream(patch.upstream)
    if upstream is None:
        raise UnknownTarget(f"tier {tier.name} has no upstream {patch.upstream}")
    if upstream.discovery == "registry":
        return  # its endpoints come and go, and a drain of one that went does no harm
    labels = {endpoint.label for endpoint in upstream.endpoints}
    if not all(is_ip(endpoint.address) for endpoint in upstream.endpoints):
        raise Invalid([("endpoints", f"{upstream.name} is found by DNS: take its endpoints out there")])
    unknown = [label for label in patch.endpoints if label not in labels]
    if unknown:
        raise Invalid([("endpoints", f"{upstream.name} has no endpoint {', '.join(unknown)}")])
    if labels <= set(patch.endpoints):
        raise Invalid([("endpoints", f"{upstream.name} would have no endpoint left")])


def _drained(upstream: Upstream, labels: Collection[str]) -> Upstream:
    """Where a registry took all others away, the drained ones serve again: few are better than none."""
    left = tuple(endpoint for endpoint in upstream.endpoints if endpoint.label not in labels)
    return upstream.model_copy(update={"endpoints": left}) if left else upstream
