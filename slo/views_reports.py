"""Pages of reports: an owner's month, to read, and as CSV and Markdown."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from access.domain.roles import Role
from access.permission import requires
from slo import reports
from slo.domain.report import Line, Report
from slo.domain.report_texts import as_csv, as_markdown, part, share
from slo.domain.wording import percent

FORMATS: dict[str, tuple[Callable[[Report], str], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "md": (as_markdown, "text/markdown; charset=utf-8"),
}


@requires(Role.VIEWER)
@require_safe
def owners(request: HttpRequest) -> HttpResponse:
    """Whose months are there?"""
    return render(request, "slo/reports.html", {"rows": reports.owners(now=timezone.now())})


@requires(Role.VIEWER)
@require_safe
def report(request: HttpRequest, owner: str, month: str) -> HttpResponse:
    """What did we promise this month, what did we keep, and what spent the rest?"""
    found = _found(owner, month)
    context = {
        "report": found,
        "lines": [_shown(found, line) for line in found.lines],
        "incidents": [(line.objective.name, each) for line in found.lines for each in line.incidents],
        "left_out": list(found.left_out.items()),
    }
    return render(request, "slo/report.html", context)


def _shown(found: Report, line: Line) -> dict[str, Any]:
    """A line with its figures as people read them: a target has more digits than other shares."""
    return {
        "line": line,
        "target": percent(line.objective.target),
        "achieved": share(line.achieved),
        "uncorrected": share(line.achieved_uncorrected),
        "spent": part(line.spent),
        "proxy": part(line.spent_proxy),
        "backend": part(line.spent_backend),
        "other": part(line.spent_other),
        "measured": share(found.coverage(line)),
    }


@requires(Role.VIEWER)
@require_safe
def export(request: HttpRequest, owner: str, month: str, ending: str) -> HttpResponse:
    """The same as a file."""
    write, content_type = FORMATS[ending]
    answer = HttpResponse(write(_found(owner, month)), content_type=content_type)
    answer["Content-Disposition"] = content_disposition_header(True, f"objectives-{owner}-{month}.{ending}")
    return answer


def _found(owner: str, month: str) -> Report:
    try:
        return reports.report(owner, month, now=timezone.now())
    except reports.UnknownReport as error:
        raise Http404(str(error)) from error
