"""What a round knows: of all runs together, read once, and of one run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import alerts.services
import proxy.selectors
from audit.domain.actor import automation
from proxy.domain.errors import UnknownTier
from proxy.ports import ProxyAdmin
from proxy.selectors import OverlayRow, Progress, ProxyRow
from runbooks.domain.judging import Judge
from runbooks.domain.measures import Measure, measure_from
from runbooks.domain.policy import Policy
from runbooks.models import Run, Switch
from runbooks.services import gating
from runbooks.services.watched import Watched

BY = automation("runbooks")
EVERY = timedelta(seconds=3)
# The figures of a run that lasts are told every so many rounds.
TELL_EVERY = 4


@dataclass(slots=True)
class Round:
    """One tick. What is read for one run serves the others, until one of them changes its tier."""

    now: datetime
    admin: ProxyAdmin
    _switch: list[bool] = field(default_factory=list)
    _live: dict[str, list[OverlayRow]] = field(default_factory=dict)
    _proxies: dict[str, tuple[ProxyRow, ...]] = field(default_factory=dict)

    @property
    def killed(self) -> bool:
        """Whether the kill switch was on when this was first asked."""
        if not self._switch:
            self._switch.append(Switch.objects.filter(name=gating.KILL, on=True).exists())
        return self._switch[0]

    def live(self, tier: str) -> list[OverlayRow]:
        """The tier's live overlays."""
        if tier not in self._live:
            self._live[tier] = proxy.selectors.live_overlays(tier, now=self.now)
        return self._live[tier]

    def progress(self, run: Run) -> Progress:
        """How far the run's generation is. A tier that is gone has nobody left to acknowledge."""
        if run.tier not in self._proxies:
            self._proxies[run.tier] = _proxies(run.tier)
        proxies, generation = self._proxies[run.tier], run.generation or 0
        acked = {row.name: row.acked_generation >= generation for row in proxies}
        return Progress.of(generation, acked, proxies)

    def forget(self, tier: str) -> None:
        """What was read of the tier is no longer so."""
        self._live.pop(tier, None)
        self._proxies.pop(tier, None)


@dataclass(frozen=True, slots=True)
class Look:
    """What a run's turn knows: the round, the newest measure, the runbook as the run keeps it."""

    round: Round
    measure: Measure
    watched: Watched

    def with_remedy(self, remedy: str) -> "Look":
        """The same with another of the runbook's remedies; with the one that holds where it is empty."""
        return replace(self, watched=self.watched.with_remedy(remedy))

    @property
    def now(self) -> datetime:
        return self.round.now

    @property
    def judge(self) -> Judge:
        return self.watched.judge

    @property
    def policy(self) -> Policy:
        return self.watched.judge.policy


def measures(run: Run, *, since: datetime) -> Sequence[Measure]:
    """What was measured for the run since then, the newest last."""
    return [
        measure_from(values)
        for values in run.measurements.filter(at__gte=since).values_list("values", flat=True)
    ]


def lost(run: Run, look: Look) -> str:
    """Why the run may no longer count on its overlays, or nothing."""
    if look.round.killed:
        return "the kill switch is on"
    mine = {row.target for row in look.round.live(run.tier) if row.owner == run.owner}
    return "" if mine >= set(run.fences) else "its overlay is gone"


def is_told(run_id: int, now: datetime) -> bool:
    """Whether the run has its figures told in this round: hundreds at once would write as many incidents."""
    return (int(now.timestamp() / EVERY.total_seconds()) + run_id) % TELL_EVERY == 0


def acted(run: Run, action: str, now: datetime) -> None:
    """Say in the run's incident what the machine did."""
    if run.incident_id is not None:
        alerts.services.acted(incident_id=run.incident_id, action=action, by=BY, now=now)


def missing(acked: dict[str, bool]) -> str:
    """Who has not acknowledged."""
    return ", ".join(sorted(name for name, yes in acked.items() if not yes)) or "anybody"


def _proxies(tier: str) -> tuple[ProxyRow, ...]:
    try:
        return proxy.selectors.tier(tier).proxies
    except UnknownTier:
        return ()
