"""What one round sees: tiers by their runbooks as they are, runs under way by what they keep of theirs."""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from celery.exceptions import SoftTimeLimitExceeded

import alerts.selectors
import proxy.selectors
from proxy.domain.errors import UnknownTier
from proxy.domain.tier import Tier
from runbooks import texts
from runbooks.domain.definition import Definition
from runbooks.domain.measures import Measure
from runbooks.models import Run
from runbooks.services import detecting
from runbooks.services.detecting import Looked
from runbooks.services.guarding import going_on
from runbooks.services.looking import EVERY
from runbooks.services.measuring import Answers, measure
from runbooks.services.patience import Patience
from runbooks.services.watched import Watched, kept_by
from telemetry.ports import Metrics

log = logging.getLogger(__name__)
# Teams' own look last, and no more of them once asking has taken so long: the others want what is left.
OWN_SECONDS = 4.0


@dataclass(slots=True)
class Seen:
    """Each question is asked once a tier, whoever asks it, and all of them within one patience."""

    metrics: Metrics
    now: datetime
    patience: Patience = field(default_factory=Patience)
    _tiers: dict[str, tuple[Tier, Answers]] = field(default_factory=dict)
    # By runbook and tier; and by what runs keep, so that hundreds of them are compared with it once.
    _looked: dict[tuple[str, str], Looked] = field(default_factory=dict)
    _kept: dict[tuple[object, ...], Mapping[str, Measure]] = field(default_factory=dict)

    def look(self) -> None:
        """One tier or runbook that cannot be looked at must not keep the others from going on."""
        blind = _blind(self.now)
        found = texts.automated()
        for name in _in_turn([row.name for row in proxy.selectors.tiers()], self.now):
            with going_on(log, "tier %s could not be looked at", name):
                tier, answers = self._tier(name)
                for slug, definition in found.items():
                    if slug not in texts.built_in() and self.patience.spent > OWN_SECONDS:
                        log.warning("runbook %s did not look at tier %s: others took too long", slug, name)
                    elif self._look(slug, definition, tier, answers) and (slug, name) in blind:
                        blind.discard((slug, name))
                        detecting.clear_blind(slug, name, now=self.now)
        self._clear(blind, found)

    def of(self, runs: Iterable[Run]) -> dict[int, Measure]:
        """The newest measure of what each run is about, by its number. A run is judged by what it keeps, so
        that is what it is measured by where its runbook has changed since.
        """
        found = dict[int, Measure]()
        for run in runs:
            found[run.pk] = Measure(at=self.now, why_no_data=f"{run.words} was not looked at")
            with going_on(log, "run %s could not be measured", run.pk):
                found[run.pk] = self._of(run) or found[run.pk]
        return found

    def _tier(self, name: str) -> tuple[Tier, Answers]:
        if name not in self._tiers:
            tier = proxy.selectors.desired(name, now=self.now)
            self._tiers[name] = tier, Answers(self.metrics, name, self.now, self.patience)
        return self._tiers[name]

    def _look(self, slug: str, definition: Definition, tier: Tier, answers: Answers) -> bool:
        """Whether it could look. Where it cannot, somebody must hear that."""
        try:
            self._looked[slug, tier.name] = detecting.look(slug, definition, tier=tier, answers=answers)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            log.exception("runbook %s could not look at tier %s", slug, tier.name)
            with going_on(log, "nobody hears that %s cannot look at %s", slug, tier.name):
                detecting.tell_blind(slug, tier.name, f"{type(error).__name__}: {error}", now=self.now)
            return False
        return True

    def _of(self, run: Run) -> Measure | None:
        try:
            kept = kept_by(run)
        except ValueError:
            return None  # `unreadable` gives it up
        policy = kept.judge.policy
        key = (run.runbook, run.tier, run.definition, policy.lookback, policy.stale_after)
        if key not in self._kept:
            self._kept[key] = self._by(kept)
        return self._kept[key].get(run.subject)

    def _by(self, kept: Watched) -> Mapping[str, Measure]:
        today = self._looked.get((kept.slug, kept.tier))
        if today is not None and today.watched.measures_as(kept):
            return today.measures
        try:
            tier, answers = self._tier(kept.tier)
        except UnknownTier:
            return {}
        return measure(answers, tier=tier, definition=kept.definition, policy=kept.judge.policy)

    def _clear(self, blind: Iterable[tuple[str, str]], found: Collection[str]) -> None:
        """Of runbooks and tiers that are no more."""
        for slug, name in blind:
            if slug not in found or name not in self._tiers:
                detecting.clear_blind(slug, name, now=self.now)


def _blind(now: datetime) -> set[tuple[str, str]]:
    """What could not look when it last tried: runbook and tier, in one query."""
    fired = alerts.selectors.fired(rules=[detecting.LOOK_RULE], since=now, until=now)
    return {(row.labels["runbook"], row.labels["tier"]) for row in fired}


def _in_turn(names: list[str], now: datetime) -> list[str]:
    """Another one is the last each round: where patience ends, none is always left out."""
    first = int(now.timestamp() / EVERY.total_seconds()) % max(len(names), 1)
    return names[first:] + names[:first]
