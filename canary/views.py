"""Pages of rollouts: the list, one with its evidence, the start, and what people do about one."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
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
from canary import charts, selectors, services
from canary.domain.errors import Refused, UnknownRollout
from canary.domain.family import Metric
from canary.domain.plan import weights
from canary.domain.states import WrongState
from canary.forms import StartForm
from canary.selectors import ActionRow, MetricRow, RolloutDetail
from proxy import differences
from proxy import selectors as proxy
from proxy.domain.errors import ProxyError
from proxy.domain.tier import Route, Tier
from telemetry.charts import Chart

LABELS = {
    "approve": "Approve the next step",
    "pause": "Pause",
    "resume": "Resume",
    "promote": "Promote now",
    "roll_back": "Roll back",
    "close": "Close unverified",
}
DANGEROUS = ("promote", "roll_back", "close")
DOINGS: dict[str, Callable[..., None]] = {
    "approve": services.approve,
    "pause": services.pause,
    "resume": services.resume,
    "promote": services.promote,
    "roll_back": services.rollback,
    "close": services.close,
}
TITLES: dict[Metric, str] = {
    "first_attempt": "Evidence from first attempts",
    "final": "Evidence from final answers",
}


@requires(Role.VIEWER)
@require_safe
def rollouts(request: HttpRequest, fragment: str = "") -> HttpResponse:
    """The newest first."""
    context = {"now": timezone.now(), "rollouts": selectors.rollouts()}
    return render(request, f"canary/rollouts.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def rollout(request: HttpRequest, rollout_id: int, fragment: str = "") -> HttpResponse:
    """Is the canary worse, how sure are we, what next?"""
    detail = _found(rollout_id)
    context: dict[str, Any] = {
        "now": timezone.now(),
        "rollout": detail.row,
        "detail": detail,
        "acts": [_act(detail, row) for row in detail.actions],
    }
    if not fragment:
        context["charts"] = [_chart(detail, row) for row in detail.metrics]
    return render(request, f"canary/rollout.html{fragment}", context)


@requires(Role.VIEWER)
@require_safe
def chart(request: HttpRequest, rollout_id: int, slug: str) -> HttpResponse:
    """One chart's data, for its script."""
    detail = _found(rollout_id)
    for row in detail.metrics:
        if row.metric == slug:
            return JsonResponse(_chart(detail, row).payload)
    raise Http404("There is no such chart.")


@requires(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """Fill in, look at the exact change, start: three pages without a script."""
    form = _start_form(request)
    if request.method != "POST" or not form.is_valid():
        return render(request, "canary/start.html", {"form": form})
    given = form.cleaned_data
    key = request.POST.get("key", "")
    if not key:
        back = urlencode({name: request.POST.get(name, "") for name in form.fields})
        context = {"form": form, "given": given, "back": back, "key": f"web-{uuid4()}", **_preview(given)}
        return render(request, "canary/start.html", context)
    try:
        started = services.start(
            route=given["route"],
            upstream=given["upstream"],
            plan={"steps": given["steps"]},
            mode=given["mode"],
            reason=given["reason"],
            key=key,
            by=actor(request),
            now=timezone.now(),
        )
    except Refused as error:
        form.add_error(error.field if error.field in form.fields else None, error.why)
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
    try:
        DOINGS[action](
            rollout_id=rollout_id, by=actor(request), reason=form.cleaned_data["reason"], now=timezone.now()
        )
    except UnknownRollout as error:
        raise Http404(str(error)) from error
    except (WrongState, Refused) as error:
        return _back(request, rollout_id, str(error))
    return _back(request, rollout_id)


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
    )


def _lines(before: dict[str, int], after: dict[str, int]) -> list[Line]:
    arms = [arm for arm in {**before, **after} if before.get(arm, 0) != after.get(arm, 0)]
    return [
        Line(before=f"{arm} {before.get(arm, 0) / 100:g} %", after=f"{arm} {after.get(arm, 0) / 100:g} %")
        for arm in arms
    ]


def _chart(detail: RolloutDetail, row: MetricRow) -> Chart:
    points = selectors.evidence(detail.row.id, metric=row.metric)
    moments = [(step.began_at, f"{step.weight / 100:g} %") for step in detail.ladder if step.began_at]
    if detail.row.state in ("rolling_back", "rolled_back") and detail.times.decided_at:
        moments.append((detail.times.decided_at, "rolled back"))
    return charts.evidence(
        [(point.at, point.e_fail, point.e_pass) for point in points],
        slug=row.metric,
        title=TITLES[row.metric],
        fail_limit=row.fail_limit,
        pass_limit=row.pass_limit,
        url=reverse("rollout-chart", args=[detail.row.id, row.metric]),
        moments=moments,
        queries=detail.queries,
        live=detail.row.live,
    )


def _start_form(request: HttpRequest) -> StartForm:
    bases = [proxy.base(tier.name) for tier in proxy.tiers()]
    routes = [route.name for base in bases for route in base.routes]
    sent = request.POST if request.method == "POST" else request.GET
    chosen = sent.get("route") if sent.get("route") in routes else next(iter(routes), None)
    tier, where = next(
        ((base, route) for base in bases for route in base.routes if route.name == chosen), (None, None)
    )
    return StartForm(
        request.POST if request.method == "POST" else None,
        initial={name: request.GET[name] for name in StartForm.base_fields if name in request.GET},
        routes=routes,
        standing_by=[arm for arm, weight in where.split.items() if weight == 0] if where else [],
        others=_others(tier, where) if tier and where else [],
    )


def _others(tier: Tier, route: Route) -> list[str]:
    """Upstreams outside the route's split that speak what its arms speak."""
    spoken = {each.protocol for each in tier.upstreams if route.split.get(each.name)}
    return sorted(
        each.name for each in tier.upstreams if each.name not in route.split and each.protocol in spoken
    )


def _preview(given: dict[str, Any]) -> dict[str, Any]:
    """What the first step would change: the split, and the same in Envoy's terms."""
    now = timezone.now()
    try:
        where = proxy.route(given["route"])
        served = proxy.served(where.tier, now=now).live.route(where.name)
        before = served.split if served else where.split
        after = weights(where.split, given["upstream"], given["steps"][0])
        patch = {"kind": "weights", "route": where.name, "weights": after}
        changes = differences.difference(where.tier, [patch], now=now)
    except (ProxyError, ValueError) as error:
        return {"refused": str(error)}
    return {"change": _lines(before, after), "changes": difference([str(change) for change in changes])}
