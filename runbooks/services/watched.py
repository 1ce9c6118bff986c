"""A runbook on a tier, as it is now or as a run has kept it: what everything about one target goes by."""

from dataclasses import dataclass, replace

from proxy.domain.tier import Tier
from runbooks import selectors
from runbooks.domain.definition import Definition
from runbooks.domain.judging import Judge, judge_from
from runbooks.domain.targets import labels_of
from runbooks.models import Run, RunQuerySet


@dataclass(frozen=True, slots=True)
class Watched:
    """`slug` is the runbook's, and the rule of its alerts."""

    slug: str
    tier: str
    judge: Judge

    @property
    def definition(self) -> Definition:
        return self.judge.definition

    def with_remedy(self, remedy: str) -> "Watched":
        """The same with another of its remedies; with the one that holds where it is empty."""
        if not remedy:
            return self
        policy = replace(self.judge.policy, remedy=remedy)
        return replace(self, judge=replace(self.judge, policy=policy))

    def runs(self, subject: str) -> RunQuerySet:
        """Its runs on one target, the newest first."""
        scope = self.definition.scope
        return Run.objects.on(runbook=self.slug, tier=self.tier, scope=scope, subject=subject)

    def measures_as(self, other: "Watched") -> bool:
        """Whether both measure a target alike; what they make of it may differ."""
        mine, theirs = self.judge.policy, other.judge.policy
        windows = (mine.lookback, mine.stale_after) == (theirs.lookback, theirs.stale_after)
        return windows and self.definition == other.definition

    def labels(self, subject: str) -> dict[str, str]:
        """What identifies the alert of one target."""
        return labels_of(self.tier, self.definition.scope, subject)

    def words(self, subject: str) -> str:
        """The target as a sentence names it."""
        return subject or self.tier


def now_on(slug: str, definition: Definition, tier: Tier) -> Watched:
    """The runbook as it holds on the tier now."""
    return Watched(slug, tier.name, Judge(definition, selectors.policy(runbook=slug, tier=tier)))


def kept_by(run: Run) -> Watched:
    """The runbook as the run began with it."""
    return Watched(run.runbook, run.tier, judge_from(run.definition, run.policy))
