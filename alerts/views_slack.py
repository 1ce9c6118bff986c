"""Where Slack sends presses to as signed requests. The signature is the login."""

import json
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from slack_sdk.signature import Clock, SignatureVerifier

from alerts import interactions, slack
from alerts.domain.interaction import NotUnderstood, read

SIGNATURE = "X-Slack-Signature"


@dataclass(frozen=True, slots=True)
class _At(Clock):
    """The verifier's clock: this request's time."""

    at: datetime

    def now(self) -> float:
        return self.at.timestamp()


@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """200 once it was taken, whatever came of it; 401 unsigned, stale or replayed; 503 for too busy."""
    if not settings.SLACK_SIGNING_SECRET:
        raise Http404("SLUICE_SLACK_SIGNING_SECRET is not set: no interaction is taken here.")
    now = timezone.now()
    if not _genuine(request, now):
        return _refused(HTTPStatus.UNAUTHORIZED, "The signature is none, or not of now.")
    try:
        interaction = read(_payload(request), api_url=slack.api_url())
        if interaction is not None:
            interactions.receive(interaction, seen=f"signature/{request.headers[SIGNATURE]}", now=now)
    except NotUnderstood as error:
        return _refused(HTTPStatus.BAD_REQUEST, str(error))
    except interactions.Replayed:
        return _refused(HTTPStatus.UNAUTHORIZED, "This was taken before.")
    except OperationalError:
        # Slack shows the person that it failed: the press counts for nothing and may be repeated.
        return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "Sluice is busy: nothing was done.")
    return HttpResponse()


def _refused(status: HTTPStatus, why: str) -> HttpResponse:
    return HttpResponse(why, status=status, content_type="text/plain")


def _genuine(request: HttpRequest, now: datetime) -> bool:
    """Whether whoever knows the secret signed just these bytes, within five minutes of now."""
    try:
        verifier = SignatureVerifier(settings.SLACK_SIGNING_SECRET, _At(now))
        return verifier.is_valid_request(request.body, dict(request.headers))
    except Exception:  # noqa: BLE001 (the verifier raises whatever a malformed header or body makes it raise)
        return False


def _payload(request: HttpRequest) -> object:
    """Raises NotUnderstood."""
    try:
        return json.loads(request.POST["payload"])
    except (KeyError, ValueError, RecursionError):
        raise NotUnderstood("payload: no form field of JSON") from None
