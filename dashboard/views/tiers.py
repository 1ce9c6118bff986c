"""The page of a tier."""

from datetime import MAXYEAR, datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires, role_of
from dashboard import charts, reading
from dashboard.views import draining
from proxy import observed, registry, revisions
from proxy import selectors as proxy
from proxy.domain.errors import UnknownTier
from proxy.domain.tier import Tier
from proxy.selectors import TierRow
from slo import listing
from slo.marks import changes
from slo.sparks import sparks
from telemetry.charts import Boundary, Chart, Mark
from telemetry.drawing import draw
from telemetry.patience import patient, remembered

REVISIONS_SHOWN = 10


@requires(Role.VIEWER)
@require_safe
def tier(request: HttpRequest, name: str, fragment: str = "") -> HttpResponse:
    """How is the tier, and what does each of its proxies run?"""
    if name in observed.names():
        return redirect("observed", name)
    now, row = timezone.now(), _found(name)
    served = proxy.served(name, now=now)
    families = listing.families(name)
    context: dict[str, Any] = {
        "now": now,
        "families": families,
        "sparks": sparks([each for family in families for each in family.rows], now=now),
        "tier": row,
        "registrations": registry.registrations(name),
        "declared": served.live,
        "troubles": served.troubles,
        "threshold_ms": threshold_ms(served.base),
        "reading": reading.shared_tier(tier=name, now=now),
        "overlays": proxy.live_overlays(name, now=now),
    }
    if not fragment:
        held = role_of(request)
        context["may_drain"] = held is not None and held >= Role.OPERATOR
        context["drained"] = draining.drained(context["overlays"])
        context["drainable"] = draining.choices(served.base)
        context["risks"] = proxy.risks(name)
        context["revisions"] = revisions.revisions(name)[:REVISIONS_SHOWN]
        context["at"] = _asked(request)
        context["charts"] = [chart(served.base, slug, now, at=context["at"]) for slug in charts.OF_TIER]
    return render(request, f"dashboard/tier.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def tier_chart(request: HttpRequest, name: str, slug: str) -> HttpResponse:
    """One chart's data, for its script."""
    _found(name)
    if slug not in charts.OF_TIER:
        raise Http404("There is no such chart.")
    return JsonResponse(chart(proxy.base(name), slug, timezone.now(), at=_asked(request)).payload)


EPOCH = 1970
"""Prometheus keeps nothing from before, and a chart has to begin somewhere."""


def _asked(request: HttpRequest) -> datetime | None:
    """The time of the address, which a message leads to: what was to be seen then. None for now."""
    asked = request.GET.get("at", "")
    try:
        at = parse_datetime(asked)
    except ValueError:
        at = None
    if asked and (at is None or at.tzinfo is None or not EPOCH <= at.year < MAXYEAR):
        raise Http404("at= wants a time with its offset, such as 2026-03-01T12:00:00Z.")
    return at


def chart(
    declared: Tier, slug: str, now: datetime, route: str | None = None, *, at: datetime | None = None
) -> Chart:
    """One chart of a tier or of a route of it, asked at most once in two seconds. With `at` it is around that
    time, as far as that is past.
    """
    url = (
        reverse("tier-chart", args=[declared.name, slug])
        if route is None
        else reverse("route-chart", args=[route, slug])
    )
    key, end = f"chart/{declared.name}/{route or ''}/{slug}", now
    if at is not None:
        end = min(now, at + reading.SPAN / 2)
        key, url = f"{key}/{at.timestamp():.0f}", f"{url}?{urlencode({'at': at.isoformat()})}"
    return remembered(key, lambda: _draw(declared, slug, end, route)).at_url(url)


def _draw(declared: Tier, slug: str, now: datetime, route: str | None) -> Chart:
    name, window = declared.name, reading.WINDOW
    found = (
        charts.of_route(slug, tier=name, window=window, route=route)
        if route
        else charts.of_tier(slug, tier=name, window=window)
    )
    limit = threshold_ms(declared)
    boundaries = [Boundary(f"objective {limit:g} ms", limit)] if slug == "added-latency" and limit else []
    return draw(
        patient(),
        slug=slug,
        title=found.title,
        unit=found.unit,
        lines=found.lines,
        now=now,
        span=reading.SPAN,
        boundaries=boundaries,
        marks=_marks(declared.name, route, now),
    )


def _marks(tier: str, route: str | None, now: datetime) -> tuple[Mark, ...]:
    """Those of all charts of a page are asked for once."""
    since = now - reading.SPAN
    # To the minute: a page's charts are asked for within one, and those around another time are others.
    key = f"marks/{tier}/{route or ''}/{since:%Y%m%d%H%M}"
    return remembered(key, lambda: changes(tier, route, since=since))


def threshold_ms(declared: Tier) -> float | None:
    """The tier's own objective for added latency; None when it declares none."""
    limits = [
        row.threshold_ms for row in declared.objectives if row.kind == "added_latency" and not row.route
    ]
    return next((limit for limit in limits if limit is not None), None)


def _found(name: str) -> TierRow:
    try:
        return proxy.tier(name)
    except UnknownTier as error:
        raise Http404(str(error)) from error
