"""`manage.py runbook SLUG TIER --rehearse` and `--dry-run`: what it would have done, and would do now."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from proxy.domain.errors import ProxyError
from runbooks import services
from runbooks.texts import UnknownRunbook
from telemetry import ports
from telemetry.domain.errors import MetricsError

REFUSED = 2
_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def rehearse(options: Mapping[str, Any], out: OutputWrapper) -> None:
    """Each moment in a line, by target."""
    now = timezone.now()
    start, end = when(options["from"], now), when(options["to"], now)
    try:
        found = services.rehearse(
            runbook=options["slug"], tier=options["tier"], start=start, end=end, metrics=ports.from_settings()
        )
    except (UnknownRunbook, ProxyError, services.CannotStart, MetricsError) as error:
        raise CommandError(str(error), returncode=REFUSED) from error
    for subject, moments in sorted(found.moments.items()):
        for moment in moments:
            where = subject or options["tier"]
            out.write(f"{moment.at:%Y-%m-%d %H:%M:%S} UTC {where}: {moment.words}: {moment.why}")
    out.write(f"{len(found.moments)} targets; enough data at {found.judged} of {found.ticks} looks")


def dry_run(options: Mapping[str, Any], out: OutputWrapper) -> None:
    """The plan of a start on this target now; nothing is written or sent."""
    target = "" if options["dry_run"] == options["tier"] else options["dry_run"]
    given = {"runbook": options["slug"], "tier": options["tier"], "subject": target}
    try:
        found = services.dry_run(**given, metrics=ports.from_settings(), now=timezone.now())
    except (UnknownRunbook, ProxyError, services.CannotStart) as error:
        raise CommandError(str(error), returncode=REFUSED) from error
    out.write(f"now: {found.says}")
    if found.stops:
        out.write(f"it would be stopped: {found.stops}")
    out.write(f"it would {found.plan.summary}")
    for change in found.plan.changes:
        out.write(change)
    out.write(f"undo: {found.plan.undo}")
    out.write(f"plan: {found.plan.digest}")


def when(text: str, now: datetime) -> datetime:
    """`now`, a time ago such as `2h`, or an ISO time, in UTC where it has no zone. Raises CommandError."""
    ago = _AGO.match(text)
    if text == "now" or ago:
        seconds = float(ago[1]) * _SECONDS[ago[2]] if ago else 0.0
        return now - timedelta(seconds=seconds)
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"{text} is no time: write 2h, or 2026-03-01T03:00", returncode=REFUSED)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
