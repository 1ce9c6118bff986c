"""The dead man's switch as people and programs see it."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from alerts import selectors as alerts
from dashboard import alive
from dashboard.domain import alive as judged


@requires(Role.VIEWER)
@require_safe
def automation(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """Does anybody look after the tiers at all?"""
    now = timezone.now()
    found = alive.shared(now)
    context = {
        "now": now,
        "checks": found,
        "alive": judged.alive(found),
        "beats": alerts.heartbeats(now=now),
        "ping_host": alive.ping_host(),
        "last_ping": alerts.last_ping(),
        "outbox": alerts.outbox_state(),
    }
    return render(request, f"dashboard/automation.html{fragment}", context)


@login_not_required
@require_safe
def alivez(request: HttpRequest) -> HttpResponse:
    """For a watcher outside: 200 while all holds, else 503. It names what does not, and nothing of it."""
    failing = [check.name for check in alive.shared(timezone.now()) if not check.holds]
    return JsonResponse({"alive": not failing, "failing": failing}, status=503 if failing else 200)
