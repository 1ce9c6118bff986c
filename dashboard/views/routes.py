"""The pages of routes."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from dashboard import charts, reading
from dashboard.views.tiers import chart
from proxy import selectors as proxy
from proxy.domain.errors import UnknownRoute
from proxy.selectors import RouteRow


@requires(Role.VIEWER)
@require_safe
def routes(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """Which route, and whose fault?"""
    now = timezone.now()
    rows = proxy.routes()
    readings = {name: reading.shared(tier=name, now=now) for name in {row.tier for row in rows}}
    splits = {row.name: proxy.desired(row.name, now=now) for row in proxy.tiers()}
    context = {
        "now": now,
        "rows": [
            {
                "route": row,
                "seen": readings[row.tier].routes.get(row.name),
                "split": splits[row.tier].route(row.name),
            }
            for row in rows
        ],
        "troubles": {name: seen.trouble for name, seen in readings.items() if seen.trouble},
    }
    return render(request, f"dashboard/routes.html{fragment}", context)


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
