"""The JSON API: every app's router under /api/v1/, and every error as an RFC 9457 problem document."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from access import problem
from access.permission import reads
from access.problem import Problem

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


class Api(NinjaAPI):
    """Describes with each operation what every operation may answer: a problem."""

    def get_openapi_schema(self, **given: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**given)
        document["components"]["schemas"]["Problem"] = PROBLEM
        content = {problem.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"]["default"] = {"description": "A problem", "content": content}
        return document


api = Api(
    title="Sluice",
    version="1",
    description="Declares, measures, judges, acts and tells. Errors are RFC 9457 problem documents.",
    auth=reads,
    docs_url=None,
    urls_namespace="api",
)


@api.exception_handler(Problem)
def _problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return problem.response(request, error)


@api.exception_handler(AuthenticationError)
def _unauthorized(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    detail = "Send a token that works: Authorization: Bearer <token>. The account page makes one."
    return problem.response(request, Problem(HTTPStatus.UNAUTHORIZED, detail))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [{"field": _field(each["loc"]), "message": str(each["msg"])} for each in error.errors]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return problem.response(request, Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors))


def _field(loc: tuple[str | int, ...]) -> str:
    """`("body", "body", "route")` is the field `route`: the first two say where ninja found the body."""
    if loc[0] == "body":
        return ".".join(str(part) for part in loc[2:]) or "body"
    return ".".join(str(part) for part in loc[1:]) or str(loc[0])


@api.exception_handler(DataError)
def _unstorable(request: HttpRequest, error: DataError) -> HttpResponse:
    """PostgreSQL takes no NUL in a text, not even to look for it."""
    detail = "A value holds what no text can, such as the character NUL."
    return problem.response(request, Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail))


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problem.response(request, Problem(error.status_code, error.message))


@api.exception_handler(Http404)
def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem.response(request, Problem(HTTPStatus.NOT_FOUND, str(error) or "There is no such thing."))


@api.exception_handler(PermissionDenied)
def _denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return problem.response(request, Problem(HTTPStatus.FORBIDDEN, str(error) or "Not allowed."))
