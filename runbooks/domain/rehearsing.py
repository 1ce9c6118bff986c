"""A runbook against recorded measures: when it would have detected, confirmed, acted and verified.

It is judged by the same functions as a run, tick by tick. What was recorded does not know the remedy: where
nothing was done at the time, the symptom goes on and the verification says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from runbooks.domain.judging import Judge
from runbooks.domain.measures import Measure

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
What = Literal["detected", "not_confirmed", "confirmed", "acted", "verified", "not_verified", "over"]
WORDS: dict[What, str] = {
    "detected": "detects it",
    "not_confirmed": "does not confirm it",
    "confirmed": "confirms it",
    "acted": "acts",
    "verified": "sees that it worked",
    "not_verified": "does not see that it worked, and takes it back",
    "over": "takes it back",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that would have happened to one target, and why."""

    at: datetime
    what: What
    why: str

    @property
    def words(self) -> str:
        """What it would have done, as a sentence says it."""
        return WORDS[self.what]


@dataclass(slots=True)
class Rehearsal:
    """One target, fed with its measures in the order of time.

    It acts as in the mode auto, and every proxy is taken to acknowledge at once.
    """

    judge: Judge
    state: Literal["calm", "confirming", "verifying", "holding"] = "calm"
    _seen: list[Measure] = field(default_factory=list)
    _since: datetime = NEVER
    _applied_at: datetime = NEVER
    _free_from: datetime | None = None
    _before: Measure | None = None
    _extended: bool = False

    def feed(self, measure: Measure) -> list[Moment]:
        """What would have happened at this tick."""
        self._seen.append(measure)
        first = measure.at - self._window
        while self._seen[0].at < first:
            del self._seen[0]
        turns = {
            "calm": self._calm,
            "confirming": self._confirming,
            "verifying": self._verifying,
            "holding": self._holding,
        }
        return list(turns[self.state](measure))

    @property
    def _window(self) -> timedelta:
        """As much of the past as any decision looks at."""
        policy = self.judge.policy
        return max(4 * policy.confirm_for, policy.lookback + 2 * policy.verify_for, policy.quiet_for)

    def _calm(self, measure: Measure) -> Iterator[Moment]:
        cooling = self._free_from is not None and measure.at < self._free_from
        if not cooling and self.judge.detect(measure) == "present":
            self.state, self._since = "confirming", measure.at
            yield Moment(measure.at, "detected", self.judge.explain(measure))

    def _confirming(self, measure: Measure) -> Iterator[Moment]:
        verdict = self.judge.confirm(self._seen, since=self._since, now=measure.at)
        if verdict.outcome == "no":
            self.state = "calm"
            yield Moment(measure.at, "not_confirmed", verdict.why)
        elif verdict.outcome == "yes":
            self.state, self._before = "verifying", measure
            self._applied_at, self._extended = measure.at, False
            yield Moment(measure.at, "confirmed", verdict.why)
            yield Moment(measure.at, "acted", self.judge.remedy.did)

    def _verifying(self, measure: Measure) -> Iterator[Moment]:
        verdict = self.judge.verify(
            self._seen,
            self._before or measure,
            applied_at=self._applied_at,
            extended=self._extended,
            now=measure.at,
        )
        if verdict.extend:
            self._extended = True
        elif verdict.outcome == "yes":
            self.state, self._since = "holding", measure.at
            yield Moment(measure.at, "verified", verdict.why)
        elif verdict.outcome == "no":
            self._end(measure.at)
            yield Moment(measure.at, "not_verified", verdict.why)

    def _holding(self, measure: Measure) -> Iterator[Moment]:
        until = self._applied_at + self.judge.policy.expiry
        before = self._before or measure
        verdict = self.judge.hold(self._seen, before, since=self._since, until=until, now=measure.at)
        if verdict.outcome != "wait":
            self._end(measure.at)
            yield Moment(measure.at, "over", verdict.why)

    def _end(self, at: datetime) -> None:
        self.state, self._free_from = "calm", at + self.judge.policy.cooldown
