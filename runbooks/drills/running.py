"""One drill from its beginning to its report."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from audit.domain.actor import Actor
from runbooks.domain.answering import NO_RUNBOOK_WANTED, Answering
from runbooks.domain.drills import Check, Column, Defence, Measured
from runbooks.drills import reporting
from runbooks.drills.drill import Drill
from runbooks.drills.lab import Lab
from runbooks.drills.watching import Watch
from runbooks.drills.world import World
from runbooks.services import drilling

BEAT_SECONDS = 3.0
Say = Callable[[str], None]


@dataclass(slots=True)
class Progress:
    """What the drill is at, in words."""

    say: Say
    doing: str = "beginning"

    def tell(self, line: str) -> None:
        self.say(line)
        self.doing = line


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both halves of a drill."""

    drill: Drill
    report: int
    started_at: datetime
    defence: Defence
    answering: Answering

    @property
    def held(self) -> bool:
        return self.defence.held and self.answering.held in ("yes", "none")

    def as_data(self) -> dict[str, Any]:
        """JSON data: what `--json` prints, the report's file holds and the page shows."""
        return {
            "drill": self.drill.name,
            "title": self.drill.title,
            "purpose": self.drill.purpose,
            "source": self.drill.source,
            "report": self.report,
            "started_at": self.started_at.isoformat(),
            "held": self.held,
            "defence": self.defence.as_data(),
            "runbook": self.answering.as_data(),
        }


def run(drill: Drill, *, lab: Lab, report: int, by: Actor, say: Say, scale: float = 1.0) -> Outcome:
    """Plays the sides, has the runbook watched, writes the report. What breaks is recorded and raised."""
    trouble = "it was interrupted"
    try:
        outcome = asyncio.run(_both(drill, lab, report, by, say, scale))
        trouble = ""
        reporting.write(outcome.as_data())
    except Exception as error:
        trouble = f"{type(error).__name__}: {error}"
        raise
    finally:
        if trouble:
            drilling.break_off(report, trouble=trouble, by=by, now=timezone.now())
    drilling.end(
        report,
        found=outcome.as_data(),
        defence_held=outcome.defence.held,
        runbook_held=outcome.answering.held,
        by=by,
        now=timezone.now(),
    )
    return outcome


async def _both(drill: Drill, lab: Lab, report: int, by: Actor, say: Say, scale: float) -> Outcome:
    started_at, progress = timezone.now(), Progress(say)
    async with _alive(report, progress):
        defence = await play(drill, say=progress.tell, scale=scale)
        answering = NO_RUNBOOK_WANTED
        if drill.live is not None:
            answering = await Watch(drill.live, lab, report, by, progress.tell).answer()
        return Outcome(drill, report, started_at, defence, answering)


async def play(drill: Drill, *, say: Say = lambda _: None, scale: float = 1.0) -> Defence:
    """Each side in a world of its own, one after the other, so that none takes from another's processor."""
    columns = []
    with tempfile.TemporaryDirectory(prefix="sluice-drill-") as folder:
        for number, side in enumerate(drill.sides):
            say(f"side {number + 1} of {len(drill.sides)}: {side.name}: {side.says}")
            async with World(Path(folder) / str(number), scale=scale) as world:
                columns.append(Column(side.name, side.says, await side.play(world)))
    checks = judged(drill, [column.measured for column in columns])
    return Defence(drill.rows, drill.plots, tuple(columns), tuple(checks))


def judged(drill: Drill, sides: list[Measured]) -> list[Check]:
    """What the drill says of its sides; where a figure is missing, that it is."""
    try:
        return list(drill.judge(sides))
    except KeyError as error:
        return [Check(f"nothing can be said: {error.args[0]}", False)]


@contextlib.asynccontextmanager
async def _alive(report: int, progress: Progress) -> AsyncIterator[None]:
    """Says every few seconds what the drill is at: one that died must keep nobody else out."""

    async def keep_saying() -> None:
        while True:
            await sync_to_async(drilling.go_on)(report, doing=progress.doing, now=timezone.now())
            await asyncio.sleep(BEAT_SECONDS)

    task = asyncio.create_task(keep_saying())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
