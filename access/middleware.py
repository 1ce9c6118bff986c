"""Pages need a login; the API answers by itself."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from access import problem
from access.problem import Problem


class LoginRequired(LoginRequiredMiddleware):
    """Sends people without a session to the login page, and leaves /api/ to its tokens: it must say 401."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if request.path.startswith("/api/"):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


class Problems:
    """Turns what Django itself answers under /api/ (404, 405, 400, 413, 500) into problem documents.

    The API's own errors are problems already; this catches what never reached it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        is_problem = answer.headers.get("Content-Type", "").startswith(problem.CONTENT_TYPE)
        if not request.path.startswith("/api/") or answer.status_code < HTTPStatus.BAD_REQUEST or is_problem:
            return answer
        document = problem.response(request, Problem(answer.status_code, self._detail(request, answer)))
        if "Allow" in answer.headers:
            document["Allow"] = answer.headers["Allow"]
        return document

    def _detail(self, request: HttpRequest, answer: HttpResponseBase) -> str:
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return "There is nothing at this address; /api/v1/openapi.json lists what there is."
        if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return f"{request.method} is not offered here; Allow names what is."
        return HTTPStatus(answer.status_code).description or "The request could not be answered."
