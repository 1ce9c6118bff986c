"""Pages of rollouts: the list, one with its evidence, the start, and what people do about one."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from access.act import Act, Line, ReasonForm, difference, first_error
from access.domain.roles import Role
from access.permission import actor, requires
from canary import charts, freezes, hooked, listing, releases, selectors, services
from canary.domain.declared import Declared, written
from canary.domain.errors import Refused, UnknownRollout
from canary.domain.plan import read
from canary.domain.states import WrongState
from canary.forms import ListForm, StartForm
from canary.offers import ActionRow
from canary.selectors import RolloutDetail
from canary.standings import MetricRow
from proxy import selectors as proxy
from proxy.domain.tier import Route, Tier
from telemetry.charts import Chart

LABELS = {
    "approve": "Approve the next step",
    "skip": "Skip to the next step",
    "pause": "Pause",
    "resume": "Resume",
    "promote": "Promote now",
    "roll_back": "Roll back",
    "force": "Take the rest back at once",
    "close": "Close unverified",
    "undo": "Undo the promotion",
    "retry": "Try it again",
}
DANGEROUS = ("skip", "undo", "promote", "roll_back", "force", "close")
# What two people could do at once, each to another step.
STEPPED = ("approve", "skip")
DOINGS: dict[str, Callable[..., int | None]] = {
    "approve": services.approve,
    "skip": services.skip,
    "undo": services.undo,
    "pause": services.pause,
    "resume": services.resume,
    "promote": services.promote,
    "roll_back": services.rollback,
    "force": services.force,
    "close": services.close,
    "retry": services.retry,
}


@requires(Role.VIEWER)
@require_safe
def rollouts(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """The newest first: a page of what the address asks for."""
    form = ListForm(request.GET, listing.STATES)
    found = listing.rollouts(text=form.asked("text"), state=form.asked("state"), page=form.number)
    context = {"now": timezone.now(), "form": form, "found": found}
    return render(request, f"canary/rollouts.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def rollout(request: HttpRequest, rollout_id: int, fragment: str = "") -> HttpResponse:
    """Is the canary worse, how sure are we, what next?"""
    detail, now = _found(rollout_id), timezone.now()
    row = detail.row
    context: dict[str, Any] = {
        "now": now,
        "hold": freezes.of_rollout(
            row.id, tier=row.tier, route=row.route, state=row.state, plan=detail.plan, now=now
        ),
        "rollout": detail.row,
        "detail": detail,
        "acts": [_act(detail, row) for row in detail.actions],
        "hooked": hooked.hooked(rollout_id),
        "release": releases.of_rollout(rollout_id),
    }
    if not fragment:
        context["charts"] = [*(_chart(detail, row) for row in detail.metrics), _dispersion(detail)]
    return render(request, f"canary/rollout.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def chart(request: HttpRequest, rollout_id: int, slug: str) -> HttpResponse:
    """One chart's data, for its script."""
    detail = _found(rollout_id)
    if slug == "dispersion":
        return JsonResponse(_dispersion(detail).payload)
    for row in detail.metrics:
        if row.metric == slug:
            return JsonResponse(_chart(detail, row).payload)
    raise Http404("There is no such chart.")


@requires(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """Fill in, look at the exact change, start: three pages without a script."""
    form = _start_form(request)
    if not form.is_bound or not form.is_valid():
        return render(request, "canary/start.html", {"form": form})
    key = request.POST.get("key", "")
    if not key:
        return render(request, "canary/start.html", {"form": form, **_preview(form)})
    try:
        started = services.start(
            **_asked(form), reason=form.cleaned_data["reason"], key=key, by=actor(request), now=timezone.now()
        )
    except Refused as error:
        form.refuse(error.field, error.why)
        return render(request, "canary/start.html", {"form": form})
    return redirect("rollout", started)


@requires(Role.OPERATOR)
@require_POST
def act(request: HttpRequest, rollout_id: int, action: str) -> HttpResponse:
    """One of a person's actions on a rollout."""
    if action not in DOINGS:
        raise Http404("There is no such action.")
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _back(request, rollout_id, first_error(form))
    seen = request.POST.get("step", "")
    more = {"step": int(seen)} if action in STEPPED and seen.isascii() and seen.isdecimal() else {}
    try:
        begun = DOINGS[action](
            rollout_id=rollout_id,
            by=actor(request),
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
            **more,
        )
    except UnknownRollout as error:
        raise Http404(str(error)) from error
    except (WrongState, Refused) as error:
        return _back(request, rollout_id, str(error))
    return _back(request, begun or rollout_id)


def _back(request: HttpRequest, rollout_id: int, error: str = "") -> HttpResponse:
    if error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("rollout", rollout_id)


def _found(rollout_id: int) -> RolloutDetail:
    try:
        return selectors.rollout(rollout_id)
    except UnknownRollout as error:
        raise Http404(str(error)) from error


def _act(detail: RolloutDetail, row: ActionRow) -> Act:
    """A person's action with the split before and after, arm by arm."""
    return Act(
        verb=row.action,
        label=LABELS[row.action],
        url=reverse("rollout-act", args=[detail.row.id, row.action]),
        says=f"{row.words}.",
        change=_lines(row.before, row.after),
        danger=row.action in DANGEROUS,
        hidden={"step": str(detail.row.step)} if row.action in STEPPED else {},
    )


def _lines(before: dict[str, int], after: dict[str, int]) -> list[Line]:
    arms = [arm for arm in {**before, **after} if before.get(arm, 0) != after.get(arm, 0)]
    return [
        Line(before=f"{arm} {before.get(arm, 0) / 100:g} %", after=f"{arm} {after.get(arm, 0) / 100:g} %")
        for arm in arms
    ]


def _chart(detail: RolloutDetail, row: MetricRow) -> Chart:
    points = selectors.evidence(detail.row.id, metric=row.metric)
    return charts.evidence(
        [(point.at, point.e_fail, point.e_pass) for point in points],
        slug=row.metric,
        title=f"Evidence: {row.title}",
        fail_limit=row.fail_limit,
        pass_limit=row.pass_limit,
        url=reverse("rollout-chart", args=[detail.row.id, row.metric]),
        moments=_moments(detail),
        queries=detail.queries,
        live=detail.row.live,
    )


def _dispersion(detail: RolloutDetail) -> Chart:
    lines = [
        (row.title, [(point.at, point.phi) for point in selectors.evidence(detail.row.id, metric=row.metric)])
        for row in detail.metrics
    ]
    return charts.dispersion(
        lines,
        url=reverse("rollout-chart", args=[detail.row.id, "dispersion"]),
        moments=_moments(detail),
        queries=detail.queries,
        live=detail.row.live,
    )


def _moments(detail: RolloutDetail) -> list[tuple[datetime, str]]:
    """When the canary's share changed, and its end."""
    moments = [(step.began_at, f"{step.weight / 100:g} %") for step in detail.ladder if step.began_at]
    if detail.row.state in ("rolling_back", "rolled_back") and detail.times.decided_at:
        moments.append((detail.times.decided_at, "rolled back"))
    return moments


def _start_form(request: HttpRequest) -> StartForm:
    routes = _routes()
    sent = request.POST if request.method == "POST" else request.GET
    asked = sent.get("route", "")
    chosen = next((name for name in (asked, asked.partition("/")[2], *routes) if name in routes), "")
    tier, where = routes.get(chosen, (None, None))
    given = {name: sent[name] for name in StartForm.base_fields if name in sent}
    sends = request.method == "POST" and "back" not in request.POST
    return StartForm(
        request.POST if sends else None,
        initial={**given, "route": chosen},
        routes=list(routes),
        standing_by=[arm for arm, weight in where.split.items() if weight == 0] if where else [],
        others=_others(tier, where) if tier and where else [],
    )


def _routes() -> dict[str, tuple[Tier, Route]]:
    """Every route by its name, or as `tier/name` where several tiers have one of that name."""
    bases = [proxy.base(tier.name) for tier in proxy.tiers()]
    found = [(base, route) for base in bases for route in base.routes]
    known = Counter(route.name for _, route in found)
    return {
        route.name if known[route.name] == 1 else f"{base.name}/{route.name}": (base, route)
        for base, route in found
    }


def _others(tier: Tier, route: Route) -> list[str]:
    """Upstreams outside the route's split that speak what its arms speak."""
    spoken = {each.protocol for each in tier.upstreams if route.split.get(each.name)}
    return sorted(
        each.name for each in tier.upstreams if each.name not in route.split and each.protocol in spoken
    )


def _preview(form: StartForm) -> dict[str, Any]:
    """What would be done, and nothing is yet: each step's split, and the first one's change for Envoy."""
    asked = _asked(form)
    try:
        found = services.rehearse(**asked, now=timezone.now())
    except Refused as error:
        form.refuse(error.field, error.why)
        return {}
    file = Declared(
        key=f"{found.upstream}-on-{found.route}"[:100], reason=form.cleaned_data["reason"], **asked
    )
    first = found.steps[0]
    return {
        "key": f"web-{uuid4()}",
        "given": form.cleaned_data,
        "change": _lines(first.before, first.after),
        "changes": difference(list(found.changes)),
        "rehearsal": found,
        "metrics": read(found.plan).metrics,
        "file": written(file),
    }


def _asked(form: StartForm) -> dict[str, Any]:
    given = form.cleaned_data
    return {
        "route": given["route"],
        "upstream": given["upstream"],
        "plan": form.plan,
        "mode": given["mode"],
    }
