"""The API of what belongs to no other app: the audit and the lab."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Field, Router, Schema

import audit.selectors
import audit.services
from access.paging import Limit
from access.permission import ApiRequest, operates
from access.problem import Problem
from access.schema import Request
from audit.selectors import EntryRow
from dashboard import lab

router = Router()


class FaultIn(Request):
    """A fault of the lab; `backend` is a backend or an upstream. What is not given is healthy."""

    backend: str
    error_rate: float = Field(0, ge=0, le=1)
    latency_ms: float = Field(0, ge=0, le=60_000)
    latency_share: float = Field(1, ge=0, le=1)
    slowdown: float = Field(1, ge=1, le=100)
    refuse: bool = False
    status: int = Field(500, ge=400, le=599)
    retry_after: int | None = Field(None, ge=0, le=3600)
    first_attempt_only: bool = False
    reset: bool = False


class AuditOut(Schema):
    """Who did what to what, why, when and through which door."""

    id: int
    at: datetime
    actor: str
    source: str
    action: str
    target: str
    reason: str
    detail: dict[str, Any]


@router.get("/audit", response=list[AuditOut], tags=["audit"])
def audit_entries(
    request: ApiRequest, action: str = "", target: str = "", actor: str = "", limit: Limit = 200
) -> list[EntryRow]:
    """The record, the newest first; `action` and `target` match from their beginning."""
    return audit.selectors.entries(action=action, target=target, actor=actor, limit=limit)


@router.get("/lab/faults", tags=["lab"])
def lab_faults(request: ApiRequest) -> dict[str, Any]:
    """The present fault of each backend."""
    return _asked(lambda: lab.control().faults())


@router.post("/lab/faults", auth=operates, tags=["lab"])
def set_lab_fault(request: ApiRequest, body: FaultIn) -> dict[str, Any]:
    """Break or heal backends of the lab. 404 where there is no lab."""
    now: datetime = timezone.now()
    fault = body.model_dump()
    answer = _asked(lambda: lab.control().set(fault))
    audit.services.record(
        by=request.auth,
        action="lab.fault_set",
        target=f"lab/{body.backend}",
        reason="API",
        now=now,
        detail=fault,
    )
    return answer


def _asked(ask: Any) -> dict[str, Any]:
    try:
        return dict(ask())
    except lab.NoLab as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except lab.LabUnreachable as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, str(error)) from error
    except lab.Refused as error:
        errors = [{"field": name, "message": reason} for name, reason in error.errors.items()]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors) from error
