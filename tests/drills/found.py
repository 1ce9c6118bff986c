"""What a drill found, as its report keeps it."""

from datetime import timedelta

from runbooks.domain.answering import Moment, answered, stages
from runbooks.domain.drills import Check, Column, Defence, Measured
from runbooks.drills.catalogue import DRILLS
from runbooks.drills.running import Outcome
from runbooks.services import drilling
from tests.drills.world import ANN, NOW

CURVE = tuple((second / 2, float(second * second)) for second in range(20))


def outcome(report: int, *, name: str = "retry-storm") -> Outcome:
    """A drill in which both halves held."""
    drill = DRILLS[name]
    columns = []
    for number, side in enumerate(drill.sides):
        values = {row.key: 27.0 / (number + 1) for row in drill.rows}
        columns.append(
            Column(side.name, side.says, Measured(values, {plot.key: CURVE for plot in drill.plots}))
        )
    checks = (Check("without it each request became 27", True), Check("with it 1.05, at most 1.2", True))
    moments = [
        Moment(state, NOW + timedelta(seconds=n * 6)) for n, state in enumerate(("MITIGATING", "HOLDING"), 2)
    ]
    moments.append(Moment("SUCCEEDED", NOW + timedelta(seconds=40)))
    seconds = stages(
        moments,
        onset=NOW,
        started_at=NOW + timedelta(seconds=6),
        applied_at=NOW + timedelta(seconds=13),
        healed_at=NOW + timedelta(seconds=20),
    )
    answering = answered(
        runbook="retry-storm", says="9 of 10 fail", run_id=7, state="SUCCEEDED", why="calm", seconds=seconds
    )
    return Outcome(drill, report, NOW, Defence(drill.rows, drill.plots, tuple(columns), checks), answering)


def kept(name: str = "retry-storm") -> int:
    """A report that has ended; its number."""
    report = drilling.begin(name=name, runbook="retry-storm", by=ANN, now=NOW)
    made = outcome(report, name=name)
    drilling.end(
        report, found=made.as_data(), defence_held=True, runbook_held=made.answering.held, by=ANN, now=NOW
    )
    return report
