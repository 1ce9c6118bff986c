"""Pages of drills: what each is for, how to start one, and what was found."""

import subprocess
import sys

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from access.domain.roles import Role
from access.permission import actor, requires
from runbooks import drilled
from runbooks.drilled import ReportRow
from runbooks.drills import reporting
from runbooks.drills.catalogue import DRILLS
from runbooks.drills.lab import NoLab, lab
from runbooks.services import drilling


@requires(Role.VIEWER)
@require_safe
def drills(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """Every drill with its newest report."""
    now = timezone.now()
    latest = drilled.latest(now=now)
    context = {
        "now": now,
        "rows": [(drill, latest.get(drill.name)) for drill in DRILLS.values()],
        "under_way": drilled.under_way(now=now),
        "lab": bool(settings.LAB_URL),
    }
    return render(request, f"runbooks/drills.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def report(request: HttpRequest, number: int, fragment: str = "") -> HttpResponse:
    """What one drill found, or what it is at."""
    row = _found(number)
    context = {"now": timezone.now(), "row": row, "drill": DRILLS.get(row.name)}
    if row.found is not None:
        context |= reporting.context(row.found)
        context["has_file"] = reporting.file(row.id, row.name, "html").is_file()
    answer = render(request, f"runbooks/drill.html{fragment}", context)
    if fragment and not row.under_way:
        # It has just ended: the whole page again, whose charts need their script.
        answer["HX-Refresh"] = "true"
    return answer


@requires(Role.VIEWER)
@require_safe
def report_file(request: HttpRequest, number: int, kind: str) -> HttpResponse:
    """The report as a file of its own, to be kept or sent: it is not shown by this site."""
    row = _found(number)
    path = reporting.file(row.id, row.name, kind)
    if kind not in reporting.KINDS or not path.is_file():
        raise Http404(f"Drill {number} has no file here: the newest {reporting.KEPT} are kept.")
    answer = HttpResponse(path.read_bytes(), content_type=reporting.KINDS[kind])
    answer["Content-Disposition"] = content_disposition_header(True, f"drill-{row.id}-{row.name}.{kind}")
    return answer


@requires(Role.OPERATOR)
@require_POST
def start(request: HttpRequest, name: str) -> HttpResponse:
    """Begin a drill; it goes on in a process of its own."""
    drill = DRILLS.get(name)
    if drill is None:
        raise Http404(f"There is no drill {name}.")
    by = actor(request)
    try:
        lab(settings.LAB_URL)
        runbook = drill.live.runbook if drill.live else ""
        number = drilling.begin(name=name, runbook=runbook, by=by, now=timezone.now())
    except (NoLab, drilling.UnderWay) as error:
        messages.error(request, f"Nothing was started: {error}.")
        return redirect("drills")
    _go_on(name, number, by.name)
    return redirect("drill", number)


def _go_on(name: str, number: int, by: str) -> None:
    """In the group of this process, so that it ends (and heals the lab) when the system does."""
    argv = [sys.executable, "manage.py", "drill", name, "--report", str(number), f"--by={by}"]
    subprocess.Popen(argv, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _found(number: int) -> ReportRow:
    row = drilled.report(number, now=timezone.now())
    if row is None:
        raise Http404(f"There is no drill {number}.")
    return row
