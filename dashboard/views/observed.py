"""The page of a tier that is watched and not driven."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from dashboard import reading
from proxy import observed
from proxy.domain.errors import UnknownTier
from proxy.observed import ObservedRow
from telemetry.domain.errors import MetricsError
from telemetry.domain.quality import Judged, Observation
from telemetry.observation import observe
from telemetry.patience import patient, remembered

FIRST = ("requests", "failed", "failed_proxy", "failed_backend", "first_attempts", "added_p99", "added_p50")
"""The figures that come first, in the order of a driven tier's page; the rest follow."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What Prometheus says of an observed tier; `trouble` is why nothing."""

    at: datetime
    seen: Observation | None = None
    trouble: str = ""

    @property
    def scraped_at(self) -> datetime | None:
        return self.at - self.seen.age if self.seen and self.seen.age is not None else None


@requires(Role.VIEWER)
@require_safe
def tier(request: HttpRequest, name: str, fragment: str = "") -> HttpResponse:
    """How is the fleet, how far can each figure be trusted, and what does each proxy run?"""
    now, row = timezone.now(), _found(name)
    watching = shared(row, now)
    figures = _in_order(watching)
    clusters = watching.seen.clusters if watching.seen else {}
    every = [*figures, *(each for columns in clusters.values() for each in columns.values())]
    context = {
        "now": now,
        "tier": row,
        "watching": watching,
        "figures": figures,
        "clusters": clusters,
        "reasons": _reasons(every),
    }
    return render(request, f"dashboard/observed.html{fragment}", context)


def shared(row: ObservedRow, now: datetime) -> Watching:
    """The fleet over the last minute, asked at most once in two seconds a process."""
    return remembered(f"observed/{row.name}", lambda: _ask(row, now))


def _ask(row: ObservedRow, now: datetime) -> Watching:
    try:
        seen = observe(patient(), watched=row.watched, at=now, window=reading.WINDOW)
    except MetricsError as error:
        return Watching(at=now, trouble=error.message)
    return Watching(at=now, seen=seen)


def _reasons(judged: Iterable[Judged]) -> list[tuple[str, str, list[str]]]:
    """Why figures are no better than they are: (worth, note, their labels), each note once."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in judged:
        if each.quality.worth != "exact":
            found.setdefault((each.quality.worth, each.quality.note), []).append(each.label)
    return [(worth, note, list(dict.fromkeys(labels))) for (worth, note), labels in found.items()]


def _in_order(watching: Watching) -> list[Judged]:
    figures = watching.seen.figures if watching.seen else {}
    first = [figures[name] for name in FIRST if name in figures]
    return [*first, *(judged for name, judged in figures.items() if name not in FIRST)]


def _found(name: str) -> ObservedRow:
    try:
        return observed.tier(name)
    except UnknownTier as error:
        raise Http404(str(error)) from error
