"""The audit's page."""

import csv

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

import audit.selectors
from access.domain.roles import Role
from access.permission import requires
from dashboard.forms import AuditForm

EXPORT_LIMIT = 10_000


@requires(Role.VIEWER)
@require_safe
def audit_page(request: HttpRequest) -> HttpResponse:
    """Who did what, why and when."""
    form = AuditForm(request.GET)
    asked = form.asked()
    entries = audit.selectors.entries(**asked)
    context = {"form": form, "asked": asked, "entries": entries, "query": request.GET.urlencode()}
    return render(request, "dashboard/audit.html", context)


@requires(Role.VIEWER)
@require_safe
def audit_export(request: HttpRequest) -> HttpResponse:
    """The same as CSV, up to 10,000 entries."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="audit.csv"'
    rows = csv.writer(answer)
    rows.writerow(["at", "actor", "source", "action", "target", "reason"])
    asked = AuditForm(request.GET).asked()
    for entry in audit.selectors.entries(limit=EXPORT_LIMIT, **asked):
        cells = [entry.at.isoformat(), entry.actor, entry.source, entry.action, entry.target, entry.reason]
        rows.writerow([_inert(cell) for cell in cells])
    return answer


def _inert(cell: str) -> str:
    """A spreadsheet runs a cell that begins like a formula; a leading apostrophe makes it text."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
