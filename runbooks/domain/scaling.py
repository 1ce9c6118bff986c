"""How many instances are wanted: the rule of Kubernetes' horizontal pod autoscaler, within declared bounds.

    wanted = ceil(instances now x load / wanted load)

See https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
"""

import math
from dataclasses import dataclass

# Above this over a whole number is no rounding error of what was measured: 4 x 0.75 / 0.5 stays 6.
GRAIN = 1e-9


class NotNow(ValueError):
    """There is no number to ask for; the reason completes "it is not scaled:"."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """From how many instances to how many, and how that was found."""

    before: int
    wanted: int
    how: str


def scaling(
    *, instances: float | None, load: float | None, target: float, at_least: int, at_most: int
) -> Scaling:
    """What is wanted for this load. Raises NotNow without data, and where no more would help.

    A remedy never takes instances away: `at_least` is for a service that is smaller than it may be.
    """
    if instances is None or load is None:
        raise NotNow("how many instances there are, or their load, is not known")
    before = round(instances)
    if before < 1:
        raise NotNow("no instance was counted")
    raw = before * load / target
    wanted = min(max(math.ceil(raw - GRAIN), at_least), at_most)
    if wanted <= before:
        limit = f", and {at_most} is the most" if before >= at_most else ""
        # Without the load, which is another at each look: the same reason is told once.
        raise NotNow(f"{before} instances are enough for {target:g} each{limit}")
    bounded = "" if wanted == math.ceil(raw - GRAIN) else f", within {at_least} and {at_most}"
    return Scaling(before, wanted, f"{before} x {load:g} / {target:g} = {raw:.2f}{bounded}")
