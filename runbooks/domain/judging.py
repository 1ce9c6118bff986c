"""What a definition makes of measures: is the symptom there, did the remedy work, is it over.

Without enough to judge by there is no data, and no data starts nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from textwrap import shorten
from typing import Any, Literal

from runbooks.domain.conditions import RELATIVE, All, Any_, Comparison, comparisons, holds
from runbooks.domain.definition import Definition, Originator, Remedy, definition_from, said
from runbooks.domain.measures import Measure
from runbooks.domain.policy import Policy, policy
from runbooks.domain.signals import Queried, spelled

ENOUGH_MEASURES = 2

Said = Literal["present", "calm", "no_data"]
Outcome = Literal["yes", "no", "wait"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`yes`, `no` or `wait`, and why in one sentence."""

    outcome: Outcome
    why: str
    extend: bool = False


@dataclass(frozen=True, slots=True)
class Judge:
    """A definition with the policy that goes with it: one a run, or one a tick and tier."""

    definition: Definition
    policy: Policy

    def detect(self, measure: Measure) -> Said:
        """Whether this measure shows the symptom, and not a cause that only looks alike."""
        if not self._holds(self.definition.enough, measure):
            return "no_data"
        seen = self._holds(self.definition.symptom, measure)
        if seen is None:
            return "no_data"
        return "present" if seen and not self._otherwise(measure) else "calm"

    def explain(self, measure: Measure) -> str:
        """What `detect` said, in words with its figures."""
        says = self.definition.says
        match self.detect(measure):
            case "no_data":
                return measure.why_no_data or self.say(says.too_little, measure)
            case "present":
                return self.say(says.present, measure)
            case _:
                return self._otherwise(measure) or self.say(says.calm, measure)

    def _otherwise(self, measure: Measure) -> str:
        """The other cause that the measure shows, or nothing."""
        if not self._holds(self.definition.symptom, measure):
            return ""
        found = (each.because for each in self.definition.unless if self._holds(each.when, measure))
        return self.say(next(found, ""), measure)

    def _holds(
        self, condition: Comparison | All | Any_, measure: Measure, before: Measure | None = None
    ) -> bool | None:
        return holds(condition, measure, self.policy.thresholds, before=before)

    @property
    def remedy(self) -> Remedy:
        """The remedy that the policy chose."""
        return self.definition.remedies[self.policy.remedy]

    def say(self, sentence: str, measure: Measure) -> str:
        """One of the definition's sentences about this measure."""
        signals = self.definition.signals
        exact = {name: spelled(measure.value(name), signal.unit) for name, signal in signals.items()}
        about = {
            f"about.{name}": spelled(measure.value(name), signal.unit, 0) for name, signal in signals.items()
        }
        named = {f"name.{name}": measure.heaviest(name) for name in measure.names if measure.heaviest(name)}
        return said(sentence, {**exact, **about, **named, "felt": self.remedy.felt})

    @property
    def titles(self) -> tuple[str, ...]:
        """What `numbers` has figures of."""
        signals = self.definition.signals
        return tuple(signals[name].title or name.replace("_", " ") for name in self.definition.shown)

    def numbers(self, measure: Measure) -> dict[str, str]:
        """The figures that a message shows, by their titles, and then the heaviest series."""
        signals = ((name, self.definition.signals[name]) for name in self.definition.shown)
        figures = (spelled(measure.value(name), signal.unit) for name, signal in signals)
        told = dict(zip(self.titles, figures, strict=True))
        named = {
            signal.most or f"Most {signal.title or name}": measure.heaviest(name)
            for name, signal in self.definition.signals.items()
            if isinstance(signal, Queried) and measure.heaviest(name)
        }
        return {**told, **named}

    def originator(self, measure: Measure) -> Originator:
        """Whose fault the measure shows it to be."""
        blamed = self.definition.blamed
        known = blamed is None or self._holds(blamed, measure) is True
        return self.definition.originator if known else "unknown"

    def culprit(self, measure: Measure) -> str:
        """The upstream whose fault it is, or nothing."""
        return measure.heaviest(self.definition.culprit)

    def confirm(self, measures: Sequence[Measure], *, since: datetime, now: datetime) -> Verdict:
        """Whether the symptom held from `since` for the policy's window. `no` as soon as it did not."""
        window = self.policy.confirm_for
        seen = [measure for measure in measures if measure.at >= since]
        each = [self.detect(measure) for measure in seen]
        if "calm" in each:
            return Verdict("no", self.explain(seen[each.index("calm")]))
        if now - since >= window and each.count("present") >= ENOUGH_MEASURES and each[-1] == "present":
            return Verdict("yes", self.explain(seen[-1]))
        if now - since >= 4 * window:
            return Verdict("no", "no data to confirm it by")
        return Verdict("wait", "watching whether it holds")

    def verify(
        self,
        measures: Sequence[Measure],
        before: Measure,
        *,
        applied_at: datetime,
        extended: bool,
        now: datetime,
    ) -> Verdict:
        """Whether it worked, over a window that begins one lookback after `applied_at`.

        Earlier measures still hold samples from before. `no` at once when it got worse; without enough to
        judge by, the window is extended once, and then it is `no`.
        """
        start = applied_at + self.policy.lookback
        end = start + self.policy.verify_for * (2 if extended else 1)
        seen = [m for m in measures if start <= m.at and self.detect(m) != "no_data"]
        worse = next((measure for measure in seen if self.worsened(measure, before)), None)
        if worse is not None:
            return Verdict("no", self.say(self.definition.says.worse, worse))
        if now < end:
            return Verdict("wait", "watching whether it worked")
        # What was seen before the data went away says nothing of now.
        recent = [m for m in measures if m.at >= max(start, now - self.policy.lookback)][-ENOUGH_MEASURES:]
        if len(recent) == ENOUGH_MEASURES and all(self._worked(measure) for measure in recent):
            return Verdict("yes", self._relieved(recent[-1]))
        if not extended:
            return Verdict("wait", "not clear yet: watching once more as long", extend=True)
        enough = len(recent) == ENOUGH_MEASURES and all(self.detect(m) != "no_data" for m in recent)
        return Verdict("no", "it did not help" if enough else "too little data to tell")

    def _relieved(self, measure: Measure) -> str:
        """That it worked: the symptom is gone, or it is still to be seen and does no more harm."""
        return self.explain(measure) if self.detect(measure) == "calm" else self.left(measure)

    def _worked(self, measure: Measure) -> bool:
        if self.definition.worked is None:
            return self.detect(measure) == "calm"
        return self._holds(self.definition.worked, measure) is True

    def hold(
        self,
        measures: Sequence[Measure],
        before: Measure,
        *,
        since: datetime,
        until: datetime,
        now: datetime,
    ) -> Verdict:
        """Whether to go on holding (`wait`), to revert as it is over (`yes`) or as it got worse (`no`)."""
        if now >= until:
            return Verdict("yes", "its time is over")
        seen = [m for m in measures if m.at >= since and self.healthy(m) is not None]
        if seen and self.detect(seen[-1]) != "no_data" and self.worsened(seen[-1], before):
            return Verdict("no", self.say(self.definition.says.worse, seen[-1]))
        quiet = [measure for measure in seen if measure.at >= now - self.policy.quiet_for]
        over = all(self.healthy(measure) for measure in quiet)
        if len(quiet) >= ENOUGH_MEASURES and over and now - since >= self.policy.quiet_for:
            return Verdict("yes", self.say(self.definition.says.healthy, quiet[-1]))
        return Verdict("wait", "holding")

    def healthy(self, measure: Measure) -> bool | None:
        """Whether what caused it is gone, so that the remedy is no longer needed; None without data."""
        return self._holds(self.definition.over, measure)

    def baseline(self, before: Measure, measure: Measure) -> Measure:
        """Which of two measures from before a remedy's effect it is held against: the worse one.

        A decision that comes within seconds has seen but the beginning of a failure in its window.
        """
        worse = self.definition.worse
        compared = (
            [] if worse is None else [c.signal for _, c in comparisons(worse) if c.bound[0] == RELATIVE]
        )
        seen = [measure.value(name) for name in compared]
        if None in seen:
            return before  # what was not measured is no zero, and nothing could be held against it
        more = [(now or 0.0) >= (before.value(name) or 0.0) for name, now in zip(compared, seen, strict=True)]
        return measure if more and all(more) else before

    def worsened(self, measure: Measure, before: Measure) -> bool:
        """Whether what the remedy may not make worse is worse than when it was decided."""
        worse = self.definition.worse
        return worse is not None and self._holds(worse, measure, before) is True

    def left(self, measure: Measure) -> str:
        """What the remedy does, and what it cannot heal, in words with the figure."""
        return f"{self.remedy.did}; {self._rest(measure, self.definition.says.unhealthy)}"

    def standing(self, measure: Measure, before: Measure) -> str:
        """What clients still feel while it is mitigated. `before` knows the upstream whose fault it was."""
        says, culprit = self.definition.says, self.culprit(before)
        at = f" at backend {culprit}" if culprit else ""
        return f"{self.say(says.relief, measure)}; {self._rest(measure, says.felt)}{at}"

    def _rest(self, measure: Measure, unhealthy: str) -> str:
        match self.healthy(measure):
            case None:
                return "no data of the rest"
            case True:
                return self.say(self.definition.says.healthy, measure)
            case False:
                return self.say(unhealthy, measure)


def judge_from(definition: str, settings: Mapping[str, Any]) -> Judge:
    """The judge of a run, by its snapshots. Raises BadDefinition, BadPolicy."""
    made = _definition(definition)
    return Judge(made, policy(settings, made.policy))


def unreadable(error: ValueError) -> str:
    """Why there is no judge, as people read it: the first mistake, without all that could stand there."""
    first = str(error).partition("\n")[0].partition("; there are ")[0]
    return shorten(first.replace("Value error, ", ""), 200)


@lru_cache(maxsize=64)
def _definition(text: str) -> Definition:
    """Runs of one runbook share one snapshot, and a tick reads those of hundreds."""
    return definition_from(json.loads(text))
