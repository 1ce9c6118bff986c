"""The second half of a drill: a failure is made in the running lab, and its runbook is watched until it has
taken back what it did.

Rows are read as pages read them; what a person would do (a yes where the runbook asks) the drill does.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async
from django.utils import timezone

from audit.domain.actor import Actor
from runbooks import selectors, services, texts
from runbooks.domain.answering import Answering, Moment, answered, silent, stages
from runbooks.domain.states import OPEN, WrongState
from runbooks.drills.drill import Live
from runbooks.drills.lab import Lab
from runbooks.selectors import RunRow
from runbooks.services import drilling

QUICK = {"lookback": "8s", "confirm_for": "6s", "verify_for": "6s", "quiet_for": "6s", "cooldown": "15s"}
"""A drill waits for no more than it takes to see each stage: the stages are the runbook's own.

It takes some 3 s to be seen: with `confirm_for` the remedy is decided one whole `lookback` after the onset.
Sooner, what was measured before the remedy would hold some of the calm, and all after it look worse.
"""
AGAIN = {"actions": 100, "actions_in_all": 100, "flaps": 100}
"""Several drills in ten minutes are several actions, and none of them is a flap."""
POLL_SECONDS = 0.5
FIRE_WITHIN = timedelta(seconds=60)
END_WITHIN = timedelta(seconds=150)
"""From the onset, through verification, to the remedy's end."""
LEAVE_WITHIN = timedelta(seconds=60)
"""For the revert of a run that was cut short."""
SETTLED = ("HOLDING",)


@dataclass(slots=True)
class Watch:
    """One failure and the run that answers it."""

    live: Live
    lab: Lab
    report: int
    by: Actor
    say: Callable[[str], None]
    known: int = 0
    state: str = ""
    onset: datetime = field(default_factory=timezone.now)
    healed_at: datetime | None = None

    async def answer(self) -> Answering:
        """What the runbook did. Leaves the lab whole, the tier as declared and the runbook's settings as they
        were, whatever happens.
        """
        if why := await sync_to_async(self._why_not)():
            return silent(runbook=self.live.runbook, says=self.live.says, why=why)
        await sync_to_async(self._prepare)()
        run: RunRow | None = None
        try:
            async with AsyncExitStack() as failure:
                self.onset = timezone.now()
                await failure.enter_async_context(self.live.inject(self.lab))
                self.say(f"{self.live.says}: waiting for {self.live.runbook}")
                run = await self._until_settled()
            self.healed_at = timezone.now()
            self.say("the failure is over")
            if run is not None and run.open:
                run = await self._until_ended(run.id, self.onset + END_WITHIN)
        finally:
            await self._leave_nothing()
        return self._told(run)

    def _why_not(self) -> str:
        if self.live.runbook not in texts.library():
            return f"no runbook {self.live.runbook} is in the library"
        if not texts.text(self.live.runbook).automated:
            return f"runbook {self.live.runbook} is a text: no machine runs it"
        if selectors.kill_switch().on:
            return "the kill switch is on: no runbook acts"
        if any(run.open for run in self._runs()):
            return "a run of it is open already: let it end first"
        return ""

    def _prepare(self) -> None:
        self.known = max((run.id for run in self._runs()), default=0)
        drilling.let_act(
            self.report,
            runbook=self.live.runbook,
            tier=self.lab.tier.name,
            policy={**QUICK, **AGAIN, **self.live.policy},
            by=self.by,
            now=timezone.now(),
        )

    def _runs(self) -> list[RunRow]:
        found = selectors.runs(runbook=self.live.runbook, tier=self.lab.tier.name, limit=20)
        return [run for run in found if run.target == self.live.target]

    async def _until_settled(self) -> RunRow | None:
        """The run that the failure brought about, once its remedy is verified or it has ended.

        One that was suppressed or not confirmed is no end: the runbook may try again while the failure lasts.
        """
        run: RunRow | None = None
        while timezone.now() < self.onset + (FIRE_WITHIN if run is None else END_WITHIN):
            run = await sync_to_async(self._newest)()
            self._tell(run)
            if run is not None and (run.state in SETTLED or (not run.open and run.mitigated_at)):
                return run
            if run is not None and run.can_approve:
                await sync_to_async(self._approve)(run)
            await asyncio.sleep(POLL_SECONDS)
        return run

    def _newest(self) -> RunRow | None:
        run = next((run for run in self._runs() if run.id > self.known), None)
        return run and selectors.run(run.id)

    def _approve(self, run: RunRow) -> None:
        try:
            services.approve(
                run_id=run.id,
                plan_hash=run.plan_hash,
                by=self.by,
                reason=f"drill {self.report}",
                now=timezone.now(),
            )
        except (WrongState, services.PlanChanged, services.ApprovalOver):
            return  # The run moved on meanwhile: the next look sees where to.

    async def _until_ended(self, number: int, deadline: datetime) -> RunRow | None:
        while True:
            run = await sync_to_async(selectors.run)(number)
            self._tell(run)
            if run is None or run.state not in OPEN or timezone.now() > deadline:
                return run
            await asyncio.sleep(POLL_SECONDS)

    def _tell(self, run: RunRow | None) -> None:
        """Says each state once."""
        if run is not None and run.state != self.state:
            self.state = run.state
            self.say(f"run {run.id}: {run.state.lower().replace('_', ' ')}")

    async def _leave_nothing(self) -> None:
        """Whatever run the failure left open is cancelled, and its overlays are awaited to be gone."""
        run = await sync_to_async(self._newest)()
        if run is not None and run.open and run.can_cancel:
            self.say(f"run {run.id}: cancelled by the drill")
            await sync_to_async(self._cancel)(run.id)
            await self._until_ended(run.id, timezone.now() + LEAVE_WITHIN)

    def _cancel(self, number: int) -> None:
        try:
            services.cancel(run_id=number, by=self.by, reason="the drill ends", now=timezone.now())
        except WrongState:
            return  # It ended by itself.

    def _told(self, run: RunRow | None) -> Answering:
        if run is None:
            why = f"no run came within {FIRE_WITHIN.total_seconds():.0f} s"
            return silent(runbook=self.live.runbook, says=self.live.says, why=why)
        seconds = stages(
            [Moment(step.state, step.at) for step in run.steps],
            onset=self.onset,
            started_at=run.started_at,
            applied_at=run.applied_at,
            healed_at=self.healed_at,
        )
        why = run.steps[-1].why if run.steps else ""
        return answered(
            runbook=self.live.runbook,
            says=self.live.says,
            run_id=run.id,
            state=run.state,
            why=why,
            seconds=seconds,
        )
