"""Describes runs, and how far a runbook may go, for pages and API."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from proxy.domain.tier import Tier
from runbooks import texts
from runbooks.domain import policy as policies
from runbooks.domain.gate import Mode
from runbooks.domain.judging import Judge, judge_from, unreadable
from runbooks.domain.measures import Measure, measure_from
from runbooks.domain.plan import Plan, plan_from
from runbooks.domain.policy import BadPolicy, Policy
from runbooks.domain.states import ACTING, OPEN
from runbooks.models import Approval, Detection, Run, Setting, Step, Switch

DEFAULT_MODE: Mode = "approve"
# So many measures of a run are read: it may hold for hours.
MEASURES = 30
# A runbook of a team's own tells and does nothing, until a person lets it.
OWN_MODE: Mode = "observe"


@dataclass(frozen=True, slots=True)
class StepRow:
    """One transition of a run with the measure that it was decided on."""

    version: int
    at: datetime
    event: str
    state: str
    actor: str
    why: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A person's yes to one plan."""

    by: str
    reason: str
    at: datetime
    expires_at: datetime
    used_at: datetime | None
    plan_hash: str


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """What was measured at a moment, by the titles of what the runbook shows."""

    at: datetime
    numbers: dict[str, str]
    why_no_data: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `approve_by` is set while it waits for approval; parts are filled by `run`.

    `subject` is the name of what it is about by `scope`: a route, an upstream, or nothing of a whole tier.
    `unreadable`: why the runbook as the run began with it cannot be read, as after an upgrade; then it has no
    policy and no figures.
    """

    id: int
    runbook: str
    tier: str
    scope: str
    subject: str
    target: str
    state: str
    open: bool
    acting: bool
    why: str
    by_hand: str
    taken_by: str
    incident_id: int | None
    plan: Plan | None
    plan_hash: str
    approve_by: datetime | None
    overlay_expires_at: datetime | None
    mitigated_at: datetime | None
    applied_at: datetime | None
    started_at: datetime
    entered_at: datetime
    ended_at: datetime | None
    before: MeasureRow | None
    policy: Policy | None
    unreadable: str = ""
    shows: tuple[str, ...] = ()
    steps: tuple[StepRow, ...] = ()
    measures: tuple[MeasureRow, ...] = ()
    approvals: tuple[ApprovalRow, ...] = ()

    @property
    def route(self) -> str:
        """The route that it is about, where it is about one."""
        return self.subject if self.scope == "route" else ""

    @property
    def words(self) -> str:
        """What it is about, as a sentence names it."""
        return self.subject or self.tier

    @property
    def checks(self) -> list[dict[str, Any]]:
        """What was checked when it last decided; of a run with its steps."""
        found = (step.evidence.get("checks") for step in reversed(self.steps))
        return next((each for each in found if each), [])

    @property
    def can_approve(self) -> bool:
        return self.state == "AWAITING_APPROVAL"

    @property
    def can_cancel(self) -> bool:
        return self.open and self.state != "REVERTING"


@dataclass(frozen=True, slots=True)
class DetectionRow:
    """What a runbook last saw on a target: `present`, `calm` or `no_data`, since when, with its numbers.

    While the tier cannot be looked at (`why` says so), `since` is the last round.
    """

    runbook: str
    tier: str
    scope: str
    subject: str
    at: datetime
    said: str
    since: datetime
    why: str
    numbers: dict[str, str]
    incident_id: int | None

    @property
    def words(self) -> str:
        """What it is about, as a sentence names it."""
        return self.subject or self.tier


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """The kill switch."""

    on: bool
    by: str
    reason: str
    at: datetime | None


def runs(*, runbook: str = "", tier: str = "", open_only: bool = False, limit: int = 100) -> list[RunRow]:
    """The newest first."""
    found = Run.objects.open() if open_only else Run.objects.all()
    if runbook:
        found = found.filter(runbook=runbook)
    if tier:
        found = found.filter(tier=tier)
    return [_run(row) for row in found[:limit]]


def run(run_id: int) -> RunRow | None:
    """One run with its steps, newest measures and approvals; None when there is none."""
    row = Run.objects.filter(pk=run_id).first()
    if row is None:
        return None
    judge, newest = _judge(row)[0], row.measurements.order_by("-id")[:MEASURES]
    return _run(
        row,
        steps=tuple(_step(step) for step in row.steps.all()),
        measures=tuple(_measure(judge, measure_from(m.values)) for m in reversed(newest)),
        approvals=tuple(_approval(a) for a in row.approvals.all()),
    )


def last_runs(most: int) -> dict[str, list[RunRow]]:
    """The newest of each runbook, by its slug: one query, whatever their number."""
    place = Window(RowNumber(), partition_by="runbook", order_by=F("id").desc())
    found: dict[str, list[RunRow]] = {}
    for row in Run.objects.alias(place=place).filter(place__lte=most).order_by("-id"):
        found.setdefault(row.runbook, []).append(_run(row))
    return found


def detections(*, runbook: str = "", tier: str = "") -> list[DetectionRow]:
    """The newest look at each target."""
    found = Detection.objects.all()
    if runbook:
        found = found.filter(runbook=runbook)
    if tier:
        found = found.filter(tier=tier)
    known = texts.library()
    return [_detection(row, known.get(row.runbook)) for row in found]


def kill_switch() -> SwitchRow:
    """Whether the kill switch is on, and who turned it."""
    row = Switch.objects.first()
    return SwitchRow(False, "", "", None) if row is None else SwitchRow(row.on, row.by, row.reason, row.at)


def mode(*, runbook: str, tier: Tier) -> Mode:
    """What a person set last, else what the tier declares, else how every runbook of its kind begins."""
    row = Setting.objects.filter(runbook=runbook, tier=tier.name).first()
    return mode_from(row.mode) if row is not None and row.mode else declared_mode(runbook, tier)


def policy(*, runbook: str, tier: Tier) -> Policy:
    """The runbook's policy with what the tier declares, and over it what a person set. Raises UnknownRunbook.

    A declaration that no runbook can have is left out as a whole: `declared_policy` says why.
    """
    base, _ = declared_policy(runbook=runbook, tier=tier)
    row = Setting.objects.filter(runbook=runbook, tier=tier.name).first()
    if row is None:
        return base
    try:
        return policies.policy(row.policy, base)
    except BadPolicy:
        # Declared since, and at odds with what was set: a person's word goes first.
        return policies.policy(row.policy, texts.text(runbook).policy)


def declared_policy(*, runbook: str, tier: Tier) -> tuple[Policy, str]:
    """The text's policy with what the tier declares, and why the declaration is left out, or nothing.

    The tier belongs to another app, which does not know what a policy may hold. Raises UnknownRunbook.
    """
    text, found = texts.text(runbook), tier.runbooks.get(runbook)
    try:
        return policies.policy(found.policy if found else {}, text.policy), ""
    except BadPolicy as error:
        return text.policy, str(error)


def declared_mode(runbook: str, tier: Tier) -> Mode:
    """What the tier declares, else how every runbook of its kind begins."""
    found = tier.runbooks.get(runbook)
    if found is not None and found.mode is not None:
        return found.mode
    return DEFAULT_MODE if runbook in texts.built_in() else OWN_MODE


def mode_from(text: str) -> Mode:
    """A stored word as what it means."""
    match text:
        case "observe" | "auto":
            return text
        case _:
            return "approve"


def _run(
    row: Run,
    *,
    steps: tuple[StepRow, ...] = (),
    measures: tuple[MeasureRow, ...] = (),
    approvals: tuple[ApprovalRow, ...] = (),
) -> RunRow:
    judge, why = _judge(row)
    waits: timedelta | None = None
    if judge is not None and row.state == "AWAITING_APPROVAL":
        waits = judge.policy.approval_for
    return RunRow(
        id=row.pk,
        runbook=row.runbook,
        tier=row.tier,
        scope=row.scope,
        subject=row.subject,
        target=row.target,
        state=row.state,
        open=row.state in OPEN,
        acting=row.state in ACTING,
        why=row.why,
        by_hand=row.by_hand,
        taken_by=row.taken_by,
        incident_id=row.incident_id,
        plan=plan_from(row.plan) if row.plan else None,
        plan_hash=row.plan_hash,
        approve_by=row.entered_at + waits if waits else None,
        overlay_expires_at=row.overlay_expires_at,
        mitigated_at=row.mitigated_at,
        applied_at=row.applied_at,
        started_at=row.started_at,
        entered_at=row.entered_at,
        ended_at=row.ended_at,
        before=_measure(judge, measure_from(row.before)) if row.before else None,
        policy=judge.policy if judge else None,
        unreadable=why,
        shows=judge.titles if judge else (),
        steps=steps,
        measures=measures,
        approvals=approvals,
    )


def _judge(row: Run) -> tuple[Judge | None, str]:
    """The judge of the run, or why there is none: one run that cannot be read must not hide the others."""
    try:
        return judge_from(row.definition, row.policy), ""
    except ValueError as error:
        return None, unreadable(error)


def _step(row: Step) -> StepRow:
    return StepRow(row.version, row.at, row.event, row.state, row.actor, row.why, row.evidence)


def _approval(row: Approval) -> ApprovalRow:
    return ApprovalRow(row.by, row.reason, row.at, row.expires_at, row.used_at, row.plan_hash)


def _measure(judge: Judge | None, measure: Measure) -> MeasureRow:
    return MeasureRow(measure.at, judge.numbers(measure) if judge else {}, measure.why_no_data)


def _detection(row: Detection, text: texts.Text | None) -> DetectionRow:
    known = text.definition if text else None
    return DetectionRow(
        runbook=row.runbook,
        tier=row.tier,
        scope=row.scope,
        subject=row.subject,
        at=row.at,
        said=row.said,
        since=row.since,
        why=row.why,
        numbers=Judge(known, text.policy).numbers(measure_from(row.values)) if text and known else {},
        incident_id=row.incident_id,
    )
