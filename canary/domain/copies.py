"""Copies of a route's requests sent to the canary before it gets anybody's: nobody gets their answers.

What can be judged is how the canary's first attempts at copies end, against a share that is declared.
Stable's answers to the same requests are no control, since a copy meets what its original has done.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from scipy.stats import beta

from canary.domain.tally import ATTEMPT, outcome
from proxy.domain.tier import WEIGHT_TOTAL
from proxy.domain.tier.fields import Declared
from proxy.domain.tier.mirrors import Mirror
from telemetry.domain.promql import equal, selector
from telemetry.domain.series import Series

SURE = 0.95
Outcome = Literal["pass", "fail", "undecided"]


class Copies(Declared):
    """`share` in basis points of the requests is copied for `seconds`, an hour at most, and no longer.

    `most_failures` is the share of failed copies that is put up with; `any_method` as in `Mirror`.
    """

    share: Annotated[int, Field(gt=0, le=WEIGHT_TOTAL)] = 1000
    seconds: Annotated[float, Field(gt=0, le=3600)] = 300.0
    most_failures: Annotated[float, Field(gt=0, lt=1)] = 0.01
    any_method: bool = False

    def to(self, upstream: str) -> Mirror:
        """What the proxies are told."""
        return Mirror(upstream=upstream, share=self.share, any_method=self.any_method)


@dataclass(frozen=True, slots=True)
class Counted:
    """First attempts at copies that ended, and how many of them failed."""

    ended: int
    failed: int


def query(tier: str, route: str, copies: Mirror) -> str:
    """The selector to read raw: copies have an arm of their own and no route: no live evidence has them."""
    return selector(ATTEMPT, equal("arm", copies.cluster(route)), tier=tier)


def counted(series: Iterable[Series], *, since: float) -> Counted:
    """What was counted after `since` (unix seconds). A counter that began afresh counts with what it has."""
    ended = failed = 0
    for one in series:
        said = outcome({"__name__": ATTEMPT, **one.labels})
        if said is None or not one.points:
            continue
        before = [value for at, value in one.points if at <= since]
        last = one.points[-1][1]
        grown = round(last - before[-1] if before and before[-1] <= last else last)
        ended, failed = ended + grown, failed + grown * said[1]
    return Counted(ended, failed)


def judged(copies: Copies, found: Counted) -> tuple[Outcome, str]:
    """Looked at once, at the end: by the exact limits of Clopper and Pearson, each with 95 % certainty."""
    n, k, most = found.ended, found.failed, copies.most_failures
    low = float(beta.ppf(1 - SURE, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(SURE, k + 1, n - k)) if k < n else 1.0
    said = f"{k} of {n} copies failed: {low:.2%} to {high:.2%} of them do"
    if low > most:
        return "fail", f"{said}, more than the {most:.2%} that the plan puts up with"
    if high <= most:
        return "pass", f"{said}, within the {most:.2%} that the plan puts up with"
    return "undecided", f"{said}, which does not decide between more and less than {most:.2%}"
