"""Errors of the API as RFC 9457 problem documents."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse

CONTENT_TYPE = "application/problem+json"
FieldError = Mapping[str, str]


class Problem(Exception):
    """Stops an API call with a problem document.

    `errors` names fields: `[{"field": "route", "message": "there is no route of this name"}]`.
    """

    def __init__(self, status: int, detail: str, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)


def field(name: str, message: str, *, status: int = 422) -> Problem:
    """A problem with one field of the request."""
    return Problem(status, f"{name}: {message}", errors=[{"field": name, "message": message}])


def response(request: HttpRequest, problem: Problem) -> JsonResponse:
    """The document itself. `type` stays about:blank: the status is the type, the rest is in `detail`."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
    }
    if problem.errors:
        body["errors"] = problem.errors
    answer = JsonResponse(body, status=problem.status, content_type=CONTENT_TYPE)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        answer["WWW-Authenticate"] = 'Bearer realm="sluice"'
    return answer
