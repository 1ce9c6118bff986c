"""Beside a rollout's weights: who asks for the canary, and an arm of its size that it is compared with."""

from collections.abc import Iterator, Sequence
from typing import Self

from pydantic import model_validator

from proxy.domain.tier import WEIGHT_TOTAL
from proxy.domain.tier.fields import Declared, Name
from proxy.domain.tier.matching import Conditions


class Asked(Conditions):
    """Requests that get the canary whatever its weight, while the rollout lives: all conditions hold."""

    @model_validator(mode="after")
    def _some_condition(self) -> Self:
        if not self.compared:
            raise ValueError("needs a condition: without one every request would get the canary")
        return self


class Baseline(Declared):
    """An upstream that runs what stable runs, started afresh beside the canary: it gets the canary's weight.

    The canary is compared with it alone, so that cold caches and small pools are alike in both.
    """

    upstream: Name


def misfits(
    steps: Sequence[int], baseline: Baseline | None, *, asked: bool, copied: bool
) -> Iterator[tuple[str, str]]:
    """What of a plan does not go together, with the field that is to change."""
    if steps[0] == 0 and not asked and not copied:
        yield (
            "steps",
            "begins with 0, where nothing gets to the canary: add match or mirror, or begin above 0",
        )
    if copied and steps[0] != 0:
        yield "steps", "must begin with 0, the step in which copies are sent, where the plan has mirror"
    if baseline is None:
        return
    high = [step for step in steps if WEIGHT_TOTAL <= 2 * step < 2 * WEIGHT_TOTAL]
    if high:
        yield (
            "steps",
            f"{high[0]} leaves stable nothing beside a baseline as large as the canary: stay below"
            f" {WEIGHT_TOTAL // 2} before the whole, or leave baseline out",
        )
