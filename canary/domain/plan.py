"""A rollout's plan: the steps, the promise, the patience; and the weights of a step, in basis points."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from canary.domain.arms import Asked, Baseline, misfits
from canary.domain.baking import Bake
from canary.domain.copies import Copies
from canary.domain.hooks import Hook, distinct
from canary.domain.judge import BadLimit, Limits
from canary.domain.metrics import DEFAULT, Metric, family
from canary.domain.reserve import Capacity
from proxy.domain.tier import Freeze

WHOLE = 10_000
# Thirty days, in seconds: no step is meant to take longer.
LONGEST = 30 * 86_400.0
# In seconds: no step waits longer for a proxy that does not obey.
LATEST = 300.0
# approve: a person takes the steps that were earned. auto: the machine does. observe: judged and never moved.
MODES = ("approve", "auto", "observe")
DEFAULT_STEPS = (500, 2500, 5000, 10_000)


class BadPlan(ValueError):
    """The plan makes no sense; `field` names the place in it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class Plan(BaseModel):
    """Steps in basis points, rising to 10000 (added where it is missing): reaching that is the promotion.

    longest_stay, warm_up and push_deadline are seconds: how long a step may stay undecided before a person is
    asked, what is left out after a step's weights are obeyed, and how soon every proxy must obey. `approvals`
    is what mode approve asks for: each step, or only the last; `freeze` adds to the tier's own windows.
    `hold_above` is the share of the control's first attempts above which no step is taken while they fail.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    steps: tuple[int, ...] = DEFAULT_STEPS
    longest_stay: float = Field(default=1800.0, gt=0, le=LONGEST)
    warm_up: float = Field(default=3.0, ge=0, le=LONGEST)
    push_deadline: float = Field(default=15.0, gt=0, le=LATEST)
    alpha: float = 0.01
    beta: float = 0.05
    w0: float = 1.0
    w1: float = 3.0
    negligible: float | None = 0.001
    hold_above: float = Field(default=0.05, gt=0, le=1)
    bake: Bake = Bake()
    approvals: Literal["each", "last"] = "each"
    freeze: tuple[Freeze, ...] = ()
    capacity: Capacity = Capacity()
    match: tuple[Asked, ...] = Field(default=(), max_length=10)
    mirror: Copies | None = None
    baseline: Baseline | None = None
    hooks: tuple[Hook, ...] = Field(default=(), max_length=10)
    metrics: tuple[Metric, ...] = DEFAULT

    _distinct_hooks = field_validator("hooks")(distinct)
    _family = field_validator("metrics")(family)

    @field_validator("steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if not steps or steps[0] < 0 or steps[-1] > WHOLE:
            raise ValueError("must be weights above 0 and up to 10000 basis points")
        if list(steps) != sorted(set(steps)):
            raise ValueError("must rise from step to step")
        return steps if steps[-1] == WHOLE else (*steps, WHOLE)

    @property
    def last(self) -> int:
        """The number of the step that is the promotion."""
        return len(self.steps) - 1

    @property
    def bakes(self) -> bool:
        return self.bake.seconds > 0

    def share(self, step: int) -> int:
        """What the canary gets at a step: at the last one all but what keeps the old arm warm in a bake."""
        return WHOLE - self.bake.warm if step == self.last and self.bakes else self.steps[step]

    def unjudged(self, step: int) -> bool:
        """Whether nobody is drawn for the canary there: who asks for it gets it, or copies of requests do."""
        return self.steps[step] == 0

    def following(self, step: int, weight: int) -> int:
        """The step to take from `step`: itself where its weight was refused or lost, else the next one."""
        return step if weight < self.steps[step] else min(step + 1, len(self.steps) - 1)

    def reached(self, weight: int) -> int:
        """The highest step below the whole that `weight` has reached; the first where it reached none."""
        return max((number for number, share in enumerate(self.steps[:-1]) if share <= weight), default=0)

    def limits(self) -> Limits:
        """What the judge promises at every step."""
        return Limits(alpha=self.alpha, beta=self.beta, w0=self.w0, w1=self.w1, negligible=self.negligible)


def read(given: Mapping[str, Any] | None) -> Plan:
    """The plan with its defaults. Raises BadPlan."""
    try:
        plan = Plan.model_validate(dict(given or {}))
        plan.limits()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadPlan(place or "plan", first["msg"].removeprefix("Value error, ")) from error
    except BadLimit as error:
        raise BadPlan(error.field, error.why) from error
    for field, why in misfits(
        plan.steps, plan.baseline, asked=bool(plan.match), copied=plan.mirror is not None
    ):
        raise BadPlan(field, why)
    if plan.steps == (WHOLE,):
        raise BadPlan("steps", "must hold a step below 10000, where the canary can be compared")
    if plan.share(plan.last) <= plan.steps[-2]:
        most = WHOLE - plan.steps[-2] - 1
        raise BadPlan("bake.warm", f"must leave the canary more than the step before: at most {most}")
    return plan


def weights(base: Mapping[str, int], canary: str, share: int) -> dict[str, int]:
    """The route's split with `share` for the canary and the rest as in `base`, adding up to 10000.

    The largest arm takes what rounding leaves over.
    """
    pool = {arm: weight for arm, weight in base.items() if arm != canary and weight > 0}
    total = sum(pool.values())
    rest = WHOLE - share
    scaled = {arm: rest * weight // total for arm, weight in pool.items()}
    scaled[max(pool, key=lambda arm: pool[arm])] += rest - sum(scaled.values())
    idle = {arm: 0 for arm in base if arm not in scaled}
    return {**idle, **scaled, canary: share}
