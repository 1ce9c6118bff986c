"""The pages of routes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from dashboard import charts, reading
from dashboard.forms import RoutesForm
from dashboard.reading import Reading
from dashboard.views.tiers import chart
from proxy import selectors as proxy
from proxy.domain.errors import UnknownRoute
from proxy.listing import PAGE, listed
from proxy.selectors import RouteRow


@requires(Role.VIEWER)
@require_safe
def routes(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """Which route, and whose fault? A page of what the address asks for."""
    now = timezone.now()
    form = RoutesForm(request.GET, [row.name for row in proxy.tiers()])
    first = (form.number - 1) * PAGE
    found = listed(text=form.asked("text"), tier=form.asked("tier"), offset=first)
    tiers = {row.tier for row in found.rows}
    readings = {name: reading.shared(tier=name, now=now) for name in tiers}
    context = {
        "now": now,
        "form": form,
        "found": found,
        "rows": _rows(found.rows, readings, now),
        "troubles": {name: seen.trouble for name, seen in readings.items() if seen.trouble},
        "page": form.number,
        "pages": max(1, -(-found.total // PAGE)),
        "first": first + 1,
        "last": first + len(found.rows),
    }
    return render(request, f"dashboard/routes.html{fragment}", context)


def _rows(rows: Sequence[RouteRow], readings: Mapping[str, Reading], now: datetime) -> list[dict[str, Any]]:
    """Each with what was measured of it and how it is split now."""
    splits = {name: proxy.desired(name, now=now) for name in readings}
    return [
        {
            "route": row,
            "seen": readings[row.tier].routes.get(row.name),
            "split": splits[row.tier].route(row.name),
        }
        for row in rows
    ]


@requires(Role.VIEWER)
@require_safe
def route(request: HttpRequest, route_id: str, fragment: str = "") -> HttpResponse:
    """One route: whose 5xx, first attempts by upstream, retries, and what is laid over it."""
    now, row = timezone.now(), _found(route_id)
    served = proxy.served(row.tier, now=now)
    seen = reading.shared(tier=row.tier, now=now)
    overlays = proxy.live_overlays(row.tier, now=now)
    context = {
        "now": now,
        "route": row,
        "declared": served.live.route(row.name),
        "base": served.base.route(row.name),
        "reading": seen,
        "seen": seen.routes.get(row.name),
        "costs": [
            cost for cost in proxy.route_costs(row.tier) if cost.host in row.hosts and cost.expressions
        ],
        "overlays": [overlay for overlay in overlays if overlay.target.startswith(f"route/{row.name}/")],
    }
    if not fragment:
        context["charts"] = [chart(served.base, slug, now, row.name) for slug in charts.OF_ROUTE]
    return render(request, f"dashboard/route.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def route_chart(request: HttpRequest, route_id: str, slug: str) -> HttpResponse:
    """One chart's data, for its script."""
    row = _found(route_id)
    if slug not in charts.OF_ROUTE:
        raise Http404("There is no such chart.")
    return JsonResponse(chart(proxy.base(row.tier), slug, timezone.now(), row.name).payload)


def _found(route_id: str) -> RouteRow:
    try:
        return proxy.route(route_id)
    except UnknownRoute as error:
        raise Http404(str(error)) from error
