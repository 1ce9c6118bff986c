"""Writes what becomes of drills, and lets a runbook act by itself for the length of one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core import serializers
from django.db import IntegrityError, transaction

import audit.services
from audit.domain.actor import Actor, automation
from runbooks.domain.drills import LOST, lost
from runbooks.models import DrillReport, Setting
from runbooks.services.people import set_mode, set_policy

HELD = "held"
BY = automation("drills")


class UnderWay(Exception):
    """Another drill goes on: two would measure each other."""


def begin(*, name: str, runbook: str, by: Actor, now: datetime) -> int:
    """A drill's report, which holds the lock until `end`; its number. Raises UnderWay.

    One that died is closed first, and what it set for a runbook is put back.
    """
    close_lost(now=now)
    try:
        with transaction.atomic():
            row = DrillReport.objects.create(
                name=name, runbook=runbook, by=by.name, lock=HELD, started_at=now, seen_at=now
            )
            _record(row, by, "drill.started", now)
    except IntegrityError:
        raise UnderWay("another drill is under way; wait for its end") from None
    return row.pk


def go_on(report: int, *, doing: str = "", now: datetime) -> None:
    """It lives, and is at this."""
    fields: dict[str, Any] = {"seen_at": now, **({"doing": doing} if doing else {})}
    DrillReport.objects.filter(pk=report, lock=HELD).update(**fields)


@transaction.atomic
def let_act(
    report: int, *, runbook: str, tier: str, policy: Mapping[str, Any], by: Actor, now: datetime
) -> None:
    """The runbook acts by itself and with this policy until the drill ends. Raises as `set_policy`."""
    before = Setting.objects.filter(runbook=runbook, tier=tier)
    kept = serializers.serialize("json", before)
    DrillReport.objects.filter(pk=report, lock=HELD).update(tier=tier, settings=kept, seen_at=now)
    about: dict[str, Any] = {
        "runbook": runbook,
        "tier": tier,
        "by": by,
        "reason": f"drill {report}",
        "now": now,
    }
    set_policy(policy=policy, **about)
    set_mode(mode="auto", **about)


def end(
    report: int,
    *,
    found: Mapping[str, Any],
    defence_held: bool,
    runbook_held: str,
    by: Actor,
    now: datetime,
) -> None:
    """What it found; the lock is free, and the runbook may do what it might before. Does nothing twice."""
    held = {"defence_held": defence_held, "runbook_held": runbook_held}
    _close(report, {"found": dict(found), **held}, by, now)


def break_off(report: int, *, trouble: str, by: Actor, now: datetime) -> None:
    """It found nothing, and why; otherwise as `end`."""
    _close(report, {"trouble": trouble}, by, now)


@transaction.atomic
def _close(report: int, found: Mapping[str, Any], by: Actor, now: datetime) -> None:
    row = DrillReport.objects.select_for_update().filter(pk=report, lock=HELD).first()
    if row is None:
        return
    _put_back(row, by, now)
    for name, value in found.items():
        setattr(row, name, value)
    row.lock, row.doing, row.ended_at = None, "", now
    row.save()
    _record(row, by, "drill.ended", now)


def close_lost(*, now: datetime) -> None:
    """Ends what has not been heard of for a minute."""
    for row in DrillReport.objects.filter(lock=HELD):
        if lost(row.seen_at, now=now):
            break_off(row.pk, trouble=LOST, by=BY, now=now)


def _put_back(row: DrillReport, by: Actor, now: datetime) -> None:
    if not row.settings:
        return
    Setting.objects.filter(runbook=row.runbook, tier=row.tier).delete()
    for each in serializers.deserialize("json", row.settings):
        each.save()
    target = f"{row.tier}/runbook/{row.runbook}"
    reason = f"drill {row.pk} ended: as before it"
    audit.services.record(by=by, action="runbook.set", target=target, reason=reason, now=now)
    row.settings = ""


def _record(row: DrillReport, by: Actor, action: str, now: datetime) -> None:
    detail = {"defence_held": row.defence_held, "runbook_held": row.runbook_held, "trouble": row.trouble}
    audit.services.record(
        by=by,
        action=action,
        target=f"drill/{row.name}/{row.pk}",
        reason=row.trouble or "drill",
        now=now,
        detail=detail if row.ended_at else {},
    )
