"""The API of alerts and incidents."""

from dataclasses import asdict
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Router, Schema
from pydantic import ValidationError

from access.paging import Limit
from access.permission import ApiRequest, operates, signals
from access.problem import Problem, field
from access.schema import Why
from alerts import alertmanager, selectors, services
from alerts.domain.alertmanager import Notification
from alerts.domain.silence import BadSilence
from alerts.domain.states import WrongState
from alerts.rows import AlertRow, IncidentRow

router = Router(tags=["alerts"])
DEFAULT_SILENCE = timedelta(hours=1)
MOST_BYTES = 1024 * 1024


class SilenceIn(Why):
    """Until when, at most 7 days ahead; one hour when nothing is said."""

    until: datetime | None = None


class TakenOut(Schema):
    """What became of the alerts of a notification; see `alerts.alertmanager.Taken`."""

    fired: int
    repeated: int
    resolved: int
    late: int
    ignored: int
    left_out: int


@router.get("/alerts", response=list[AlertRow])
def alerts(request: ApiRequest, state: str = "", limit: Limit = 200) -> list[AlertRow]:
    """Alerts, the last seen first; `state` is PENDING, FIRING or RESOLVED."""
    return selectors.alerts(state=state.upper(), limit=limit)


@router.get("/incidents", response=list[IncidentRow])
def incidents(request: ApiRequest, state: str = "", tier: str = "", limit: Limit = 100) -> list[IncidentRow]:
    """Incidents, the newest first, without their timelines."""
    return selectors.incidents(state=state.upper(), tier=tier, limit=limit)


@router.get("/incidents/{int:incident_id}", response=IncidentRow)
def incident(request: ApiRequest, incident_id: int) -> IncidentRow:
    """One incident with its timeline, alerts and messages."""
    row = selectors.incident(incident_id)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no incident {incident_id}.")
    return row


@router.post("/incidents/{int:incident_id}/acknowledge", response=IncidentRow, auth=operates)
def acknowledge(request: ApiRequest, incident_id: int, body: Why | None = None) -> IncidentRow:
    """A person has it."""
    reason = body.reason if body else ""
    try:
        services.acknowledge(incident_id=incident_id, by=request.auth, reason=reason, now=timezone.now())
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except services.UnknownIncident as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no incident {incident_id}.") from error
    return incident(request, incident_id)


@router.post("/incidents/{int:incident_id}/silence", response=IncidentRow, auth=operates)
def silence(request: ApiRequest, incident_id: int, body: SilenceIn | None = None) -> IncidentRow:
    """Send nothing about the incident's target for a while."""
    now = timezone.now()
    given = body or SilenceIn.model_validate({})
    until = given.until or now + DEFAULT_SILENCE
    if until.tzinfo is None:
        raise field("until", "needs a time zone, such as 2026-01-31T12:00:00Z")
    try:
        services.silence(incident_id=incident_id, until=until, by=request.auth, reason=given.reason, now=now)
    except BadSilence as error:
        raise field("until", str(error)) from error
    except services.UnknownIncident as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no incident {incident_id}.") from error
    return incident(request, incident_id)


@router.post("/incidents/{int:incident_id}/resolve", response=IncidentRow, auth=operates)
def resolve(request: ApiRequest, incident_id: int, body: Why | None = None) -> IncidentRow:
    """Close the incident and what still fires in it."""
    reason = body.reason if body else ""
    try:
        services.resolve(incident_id=incident_id, by=request.auth, reason=reason, now=timezone.now())
    except WrongState as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except services.UnknownIncident as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no incident {incident_id}.") from error
    return incident(request, incident_id)


def _schema() -> dict[str, Any]:
    """A notification for the API's description, whose references lead elsewhere than pydantic's."""
    found = Notification.model_json_schema()
    (alert,) = found.pop("$defs").values()
    found["properties"]["alerts"]["items"] = alert
    return found


@router.post(
    "/alerts/alertmanager",
    response=TakenOut,
    auth=signals,
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": _schema()}}}},
)
def receive(request: ApiRequest) -> dict[str, int]:
    """Alertmanager's webhook, version 4 of its format. Doubled and late deliveries change nothing."""
    if int(request.headers.get("Content-Length") or 0) > MOST_BYTES:
        why = f"A notification has at most {MOST_BYTES} bytes: set max_alerts, and group_by."
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
    try:
        notification = Notification.model_validate_json(request.body)
    except ValidationError as error:
        raise _unreadable(error) from None
    return asdict(alertmanager.receive(notification=notification, by=request.auth, now=timezone.now()))


def _unreadable(error: ValidationError) -> Problem:
    errors = [
        {"field": ".".join(str(part) for part in each["loc"]) or "body", "message": each["msg"]}
        for each in error.errors(include_input=False, include_url=False)[:20]
    ]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)
