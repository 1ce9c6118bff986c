"""What an overlay changes of a route: its weights, its retries."""

from typing import Literal

from pydantic import Field

from proxy.domain import laid_arms
from proxy.domain.errors import Invalid, UnknownTarget
from proxy.domain.patches.laying import Change, route, with_route
from proxy.domain.tier import WEIGHT_TOTAL, Route, Tier, Weight
from proxy.domain.tier.mirrors import Mirror
from proxy.domain.tier.splits import Arm


class Weights(Change):
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

    @property
    def words(self) -> str:
        shares = ", ".join(f"{arm} {weight / 100:g} %" for arm, weight in self.weights.items())
        return f"split {self.route}: {shares}"

    def check(self, tier: Tier) -> None:
        if not route(tier, self.route).split:
            raise UnknownTarget(f"route {self.route} has no split: it asks no upstream")
        unknown = [name for name in self.weights if tier.upstream(name) is None]
        if unknown:
            raise Invalid((f"weights.{name}", f"there is no upstream {name}") for name in unknown)
        total = sum(self.weights.values())
        if total != WEIGHT_TOTAL:
            raise Invalid([("weights", f"the weights add up to {total}, not {WEIGHT_TOTAL}")])
        given = route(tier, self.route)
        wrong = [
            *laid_arms.problems(tier, given, self.weights, self.arms),
            *laid_arms.of_copies(tier, given, self.mirror),
        ]
        if wrong:
            raise Invalid(wrong)

    def over(self, tier: Tier) -> Tier:
        return with_route(tier, self.route, self._laid)

    def _laid(self, given: Route) -> Route:
        split = {**dict.fromkeys(given.split, 0), **self.weights}
        arms, mirror = (*given.arms, *self.arms), self.mirror or given.mirror
        return given.model_copy(update={"split": split, "arms": arms, "mirror": mirror})


class RetryOff(Change):
    """No retries on a route."""

    kind: Literal["retry_off"] = "retry_off"
    route: str

    @property
    def target(self) -> str:
        return f"route/{self.route}/retry"

    @property
    def words(self) -> str:
        return f"switch retries off on {self.route}"

    def check(self, tier: Tier) -> None:
        route(tier, self.route)

    def over(self, tier: Tier) -> Tier:
        return with_route(tier, self.route, _without_retries)


def _without_retries(given: Route) -> Route:
    return given.model_copy(update={"retry": given.retry.model_copy(update={"attempts": 0})})
