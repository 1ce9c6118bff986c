"""What is taken out of use on a tier, and the form that does it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

import proxy.ports
from access.act import first_error
from access.domain.roles import Role
from access.permission import actor, requires
from dashboard.forms import DrainForm
from proxy import services
from proxy.domain.errors import ProxyError, UnknownTier
from proxy.domain.tier import Tier, is_ip
from proxy.selectors import OverlayRow

KINDS = ("drain", "drain_proxy")


@dataclass(frozen=True, slots=True)
class Drained:
    """Something that is out of use. `what` is how the form calls it: proxy/NAME or endpoint/UPSTREAM/NAME."""

    what: str
    words: str
    until: datetime
    reason: str


@requires(Role.OPERATOR)
@require_POST
def drain(request: HttpRequest, name: str) -> HttpResponse:
    """Take a proxy or an endpoint out of use for a while, or use it again."""
    form = DrainForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was changed: {first_error(form)}.")
        return redirect("tier", name)
    now = timezone.now()
    try:
        _do(name, form, request, now)
    except UnknownTier as error:
        raise Http404(str(error)) from error
    except ProxyError as error:
        messages.error(request, f"Nothing was changed: {error}.")
        return redirect("tier", name)
    kind, _, which = form.cleaned_data["what"].partition("/")
    if kind == "proxy":
        services.settle_drains(admin=proxy.ports.from_settings(), now=now, only=which)
    return redirect("tier", name)


def choices(tier: Tier) -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be taken out of use: proxies, and endpoints by their upstream."""
    proxies = [(f"proxy/{each.name}", each.name) for each in tier.proxies]
    ends = [
        (upstream.name, [(f"endpoint/{upstream.name}/{end.label}", end.label) for end in upstream.endpoints])
        for upstream in tier.upstreams
        if len(upstream.endpoints) > 1 and all(is_ip(end.address) for end in upstream.endpoints)
    ]
    return [("Proxies", proxies), *ends]


def drained(overlays: list[OverlayRow]) -> list[Drained]:
    """What is out of use now."""
    return [each for row in overlays if row.patch["kind"] in KINDS for each in _drained(row)]


def _drained(row: OverlayRow) -> Iterator[Drained]:
    patch = row.patch
    if patch["kind"] == "drain_proxy":
        yield Drained(f"proxy/{patch['proxy']}", f"proxy {patch['proxy']}", row.expires_at, row.reason)
        return
    for label in patch["endpoints"]:
        words = f"endpoint {label} of {patch['upstream']}"
        yield Drained(f"endpoint/{patch['upstream']}/{label}", words, row.expires_at, row.reason)


def _do(tier: str, form: DrainForm, request: HttpRequest, now: datetime) -> None:
    given, by = form.cleaned_data, actor(request)
    kind, _, which = given["what"].partition("/")
    reason, until = given["reason"], now + timedelta(minutes=given["minutes"] or 0)
    upstream, _, endpoint = which.partition("/")
    if kind == "proxy":
        if given["undo"]:
            services.undrain_proxy(tier=tier, proxy=which, by=by, reason=reason, now=now)
        else:
            services.drain_proxy(tier=tier, proxy=which, until=until, by=by, reason=reason, now=now)
    elif given["undo"]:
        services.undrain_endpoint(
            tier=tier, upstream=upstream, endpoint=endpoint, by=by, reason=reason, now=now
        )
    else:
        services.drain_endpoint(
            tier=tier, upstream=upstream, endpoint=endpoint, until=until, by=by, reason=reason, now=now
        )
