"""The only writer of objectives and budgets, and the publisher of the rules that they need."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import transaction

import alerts.services
import audit.services
from audit.domain.actor import Actor, automation
from proxy import selectors as proxy_selectors
from proxy.domain.tier import Tier
from slo.domain import objectives, rules, wording
from slo.domain.budget import originator
from slo.domain.burn import Counts
from slo.domain.faults import Fault, faults
from slo.domain.indicators import sli
from slo.domain.looks import Calendars, Look, look, plain, tier_facts, uncounted, window_facts
from slo.domain.readings import QUERIES, Readings, read
from slo.domain.windows import SHORT
from slo.models import Budget, Objective
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsError
from telemetry.domain.promql import duration
from telemetry.domain.series import Sample
from telemetry.ports import Metrics
from telemetry.rulefiles import Away, NotPublished, RuleFiles

RULE = "slo_burn"
RULES_RULE = "rules_not_published"
BY = automation("objectives")
HEARTBEAT = "objectives"
NOTHING_YET = "nothing is recorded for the tier yet: is it scraped, and are the rules published?"
EVERY = timedelta(seconds=15)
COPIED = (
    "description", "route", "upstream", "kind", "target", "threshold_us", "bad", "good", "total", "gauge",
    "owner", "severity", "runbook",
)  # fmt: skip
"""What a row says in the same words as the domain."""


def sync(*, tier: Tier, by: Actor, now: datetime) -> int:
    """Make the rows those that `tier` declares, or the defaults. Returns how many changed.

    What is no longer declared is retired, with its alert. Idempotent.
    """
    wanted = {objective.name: objective for objective in objectives.of_tier(tier)}
    with transaction.atomic():
        held = {row.name: row for row in Objective.objects.filter(tier=tier.name)}
        changed = [name for name, one in wanted.items() if _declare(held.get(name), one, now)]
        gone = [row for name, row in held.items() if name not in wanted and row.retired_at is None]
        for row in gone:
            _retire(row, by=by, now=now)
        if changed or gone:
            audit.services.record(
                by=by,
                action="objectives.declared",
                target=tier.name,
                reason="the tier's declaration changed",
                now=now,
                detail={"changed": changed, "retired": [row.name for row in gone]},
            )
    return len(changed) + len(gone)


def _declare(row: Objective | None, one: objectives.Objective, now: datetime) -> bool:
    fields = {
        **{name: getattr(one, name) for name in COPIED},
        "sli": sli(one),
        "resource": one.resource or "",
        "at_most": plain(one.at_most),
        "at_least": plain(one.at_least),
        "window_days": one.period // timedelta(days=1),
        "calendar": one.calendar or "",
        "problem": _problem(one),
        "retired_at": None,
    }
    if row is None:
        Objective.objects.create(tier=one.tier, name=one.name, created_at=now, changed_at=now, **fields)
        return True
    if all(getattr(row, name) == value for name, value in fields.items()):
        return False
    Objective.objects.filter(pk=row.pk).update(changed_at=now, **fields)
    return True


def _problem(one: objectives.Objective) -> str:
    try:
        objectives.check(one)
    except objectives.BadObjective as error:
        return str(error)
    return ""


def _retire(row: Objective, *, by: Actor, now: datetime) -> None:
    Objective.objects.filter(pk=row.pk).update(retired_at=now, changed_at=now)
    if Budget.objects.filter(objective=row, firing=True).update(firing=False):
        alerts.services.clear(
            rule=RULE, labels=_labels(row), why="the objective is no longer declared", by=by, now=now
        )


def sync_all(*, by: Actor = BY, now: datetime) -> int:
    """`sync` for every tier that is served."""
    served = [proxy_selectors.base(row.name) for row in proxy_selectors.tiers()]
    return sum(sync(tier=tier, by=by, now=now) for tier in served)


def tick(*, metrics: Metrics, now: datetime, calendars: Calendars = uncounted, by: Actor = BY) -> int:
    """Look at every objective once: burn, budget, state, alert. Returns how many burn.

    A constant number of queries, all as of `now`. Without an answer, or with an old one, figures and alerts
    stay as they are and the state says since when there is no data. `calendars` say what the periods that
    do not roll have counted.
    """
    sync_all(by=by, now=now)
    alerts.services.beat(name=HEARTBEAT, now=now, every=EVERY)
    rows = list(Objective.objects.live().filter(problem=""))
    declared = [row.plain() for row in rows]
    readings, why = _ask(metrics, now)
    failures = _Failures(metrics, now)
    budgets = {held.objective_id: held for held in Budget.objects.filter(objective__in=rows)}
    for row, objective in zip(rows, declared, strict=True):
        held = (
            budgets.get(row.pk)
            or Budget.objects.get_or_create(objective=row, defaults={"since": now, "looked_at": now})[0]
        )
        _look(row, objective, held, readings, why, failures, calendars, by=by, now=now)
    return Budget.objects.filter(objective__in=rows, firing=True).count()


def _ask(metrics: Metrics, now: datetime) -> tuple[Readings | None, str]:
    """The readings, or why there are none."""
    try:
        return read(
            events=metrics.vector(QUERIES.events, at=now),
            bad=metrics.vector(QUERIES.bad, at=now),
            coverage=metrics.vector(QUERIES.coverage, at=now),
            scraped=metrics.vector(QUERIES.scraped, at=now),
        ), ""
    except MetricsError as error:
        return None, f"Prometheus gave no answer: {error.message}"[:200]


class _Failures:
    """What fails now, by reason and backend: one query a tick, and only when something fires."""

    def __init__(self, metrics: Metrics, now: datetime) -> None:
        self._metrics, self._now = metrics, now

    @cached_property
    def all(self) -> tuple[Sample, ...]:
        """Nothing without an answer: a page must not wait for its words."""
        try:
            return self._metrics.vector(catalogue.faults(window=SHORT[0]), at=self._now)
        except MetricsError:
            return ()


def _look(
    row: Objective,
    objective: objectives.Objective,
    held: Budget,
    readings: Readings | None,
    why: str,
    failures: "_Failures",
    calendars: Calendars,
    *,
    by: Actor,
    now: datetime,
) -> None:
    if readings is None:
        _write(held, now=now, **_without_data(held, why, None, now))
        return
    stale, last = readings.stale_since(objective.tier, now)
    if stale:
        said = "the tier has not been scraped for a minute" if last else NOTHING_YET
        _write(held, now=now, **_without_data(held, said, last, now))
        return
    seen = look(objective, readings, calendars=calendars)
    found = faults(failures.all, objective) if seen.decision == "fire" else ()
    with transaction.atomic():
        if _write(held, now=now, **_with_data(held, seen, last, now)):
            _tell(row, held, seen, found, by=by, now=now)


def _write(held: Budget, *, now: datetime, **fields: Any) -> bool:
    """False when another tick was here since we read: its word stands."""
    fields |= {"looked_at": now, "version": held.version + 1}
    won = Budget.objects.filter(pk=held.pk, version=held.version).update(**fields)
    return bool(won)


def _without_data(held: Budget, why: str, last: datetime | None, now: datetime) -> dict[str, Any]:
    """Only the state changes; `since` is when data ended, and an alert that fires goes on firing."""
    if held.state == Budget.State.NO_DATA:
        return {"why": why}
    return {"state": Budget.State.NO_DATA, "since": last or held.data_at or now, "why": why}


def _with_data(held: Budget, seen: Look, last: datetime | None, now: datetime) -> dict[str, Any]:
    decision = seen.decision
    firing = decision == "fire" or (held.firing and decision == "hold")
    state = _state(seen, firing=firing)
    counts, left = seen.counts, plain(seen.budget.left if seen.budget else None)
    return {
        "state": state,
        "since": held.since if held.state == state else now,
        "why": _why(seen),
        "data_at": last,
        "counted": seen.period.over,
        "total": plain(counts.total if counts else None),
        "bad_proxy": plain(counts.bad_proxy if counts else None),
        "bad_backend": plain(counts.bad_backend if counts else None),
        "bad_other": plain(counts.bad_other if counts else None),
        "left": left,
        "coverage": plain(seen.period.coverage),
        "burn_1h": plain(seen.burns[SHORT[-1]]),
        "exhausted_in": seen.exhausted_in,
        "windows": window_facts(seen),
        "tiers": tier_facts(seen),
        "firing": firing,
        "fired_at": (held.fired_at if held.firing else now) if firing else None,
        "left_when_fired": _left_when_fired(held, firing, left),
    }


def _state(seen: Look, *, firing: bool) -> Budget.State:
    """What is worst of it: a budget that is spent is not well when nothing burns any more."""
    if firing:
        return Budget.State.BURNING
    if seen.budget and seen.budget.left <= 0:
        return Budget.State.SPENT
    return Budget.State.NO_DATA if seen.idle else Budget.State.OK


def _why(seen: Look) -> str:
    spent = (
        [f"the budget is {wording.remains(seen.budget.left)}"]
        if seen.budget and seen.budget.left <= 0
        else []
    )
    idle = [f"no requests in {duration(SHORT[0])}"] if seen.idle else []
    return "; ".join([*spent, *idle])


def _left_when_fired(held: Budget, firing: bool, left: float | None) -> float | None:
    if not firing:
        return None
    return held.left_when_fired if held.firing else left


def _tell(
    row: Objective, before: Budget, seen: Look, found: Sequence[Fault], *, by: Actor, now: datetime
) -> None:
    """Signal while it burns (each tick renews the numbers), clear once when it is over."""
    if seen.decision == "clear" and before.firing:
        why = "every window that counts burns well below its page"
        alerts.services.clear(rule=RULE, labels=_labels(row), why=why, by=by, now=now)
    if seen.decision == "fire":
        incident = _signal(row, before, seen, found, by=by, now=now)
        Budget.objects.filter(pk=before.pk).update(incident_id=incident)


def _signal(
    row: Objective, before: Budget, seen: Look, found: Sequence[Fault], *, by: Actor, now: datetime
) -> int:
    judged = wording.leading(seen.pages)
    counts = seen.windows[judged.tier.long] or Counts(Decimal(0))
    left = seen.budget.left if seen.budget else None
    spent_since = None
    if left is not None and before.firing and before.left_when_fired is not None:
        spent_since = Decimal(str(before.left_when_fired)) - left
    return alerts.services.signal(
        rule=RULE,
        labels=_labels(row),
        severity=seen.objective.severity,
        originator=originator(counts),
        summary=wording.summary(seen.objective, judged, counts, found),
        numbers=wording.numbers(
            judged=judged,
            counts=counts,
            left=left,
            spent_since=spent_since,
            exhausted_in=seen.exhausted_in,
            found=found,
        ),
        action=wording.ACTION,
        runbook=seen.objective.runbook,
        cause=RULE,
        by=by,
        now=now,
    )


def _labels(row: Objective) -> dict[str, str]:
    where = {"tier": row.tier, "objective": row.name}
    return {**where, "route": row.route} if row.route else where


def rule_file() -> str:
    """The Prometheus rules that the declared objectives need."""
    return rules.render(row.plain() for row in Objective.objects.live().filter(problem=""))


def publish_rules(*, files: RuleFiles, by: Actor = BY, now: datetime) -> bool:
    """Put the rule file before Prometheus. False when it is there already.

    Raises `telemetry.rulefiles.NotPublished`; Prometheus then has the rules that it had before.
    """
    if not files.publish(rules.FILE, rule_file()):
        return False
    audit.services.record(
        by=by,
        action="rules.published",
        target=rules.FILE,
        reason="the objectives need it",
        now=now,
    )
    return True


def keep_rules(*, files: RuleFiles, by: Actor = BY, now: datetime) -> bool:
    """`publish_rules`, and tell when Prometheus refuses. True when it runs the rules now."""
    try:
        publish_rules(files=files, by=by, now=now)
    except Away:
        return False
    except NotPublished as error:
        alerts.services.signal(
            rule=RULES_RULE,
            labels={"part": rules.FILE},
            severity="ticket",
            originator="unknown",
            summary="Prometheus does not run the rules that the objectives need",
            numbers={"reason": str(error)[:300]},
            action="Prometheus keeps the rules that it has; this is tried again each minute.",
            runbook="",
            cause="automation",
            by=by,
            now=now,
        )
        return False
    alerts.services.clear(
        rule=RULES_RULE, labels={"part": rules.FILE}, why="the rules are loaded", by=by, now=now
    )
    return True
