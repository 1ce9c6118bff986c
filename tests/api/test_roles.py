"""Who may call what: every operation of the API and every page, by role; deny by default."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from ninja.constants import NOT_SET

from access.domain.roles import Role
from config.api import api
from tests.support.people import bearer, person

DECLARE = {
    "PUT /tiers/{tier}",
    "POST /tiers/{tier}/revisions/{number}/revert",
    "POST /objectives/openslo",
    "PUT /runbooks/{slug}",
    "POST /runbooks/{slug}/delete",
    "POST /corrections",
    "POST /corrections/{int:correction_id}/remove",
    "POST /maintenance",
    "POST /maintenance/{int:maintenance_id}/remove",
}
# Slack logs in by its signature.
OPEN_PAGES = {"login", "logout", "theme", "healthz", "readyz", "metrics", "alivez", "slack-interactions"}


def operations() -> Iterator[tuple[str, str, Any]]:
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    yield method, f"{prefix}{path}", operation


def role(operation: Any) -> Role:
    """Its own authenticator's role, or that of the whole API; `auth=None` would have neither."""
    every: Any = api.auth if operation.auth_param is NOT_SET else operation.auth_callbacks
    found: Role = every[0].role
    return found


def pages(patterns: Any = None) -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace not in ("admin", "api"):
                yield from pages(pattern.url_patterns)
        elif pattern.name:
            yield pattern


def test_every_operation_of_the_api_asks_for_a_role_and_writing_for_more_than_reading() -> None:
    wanting = {f"{method} {path}": role(operation) for method, path, operation in operations()}

    assert {role for name, role in wanting.items() if name.startswith("GET")} == {Role.VIEWER}
    writing = {name: role for name, role in wanting.items() if not name.startswith("GET")}
    assert set(writing.values()) == {Role.OPERATOR, Role.OWNER}
    assert {name for name, role in writing.items() if role == Role.OWNER} == DECLARE


def test_every_page_asks_for_a_role() -> None:
    without = {p.name for p in pages() if not hasattr(p.callback, "needed_role")}

    assert without == OPEN_PAGES


@pytest.mark.django_db
def test_nobody_reads_a_page_without_a_login(client: Client) -> None:
    answer = client.get("/incidents/")

    assert answer.status_code == 302
    assert answer["Location"] == "/login/?next=/incidents/"


@pytest.mark.django_db
def test_a_person_without_a_role_is_told_what_it_takes(client: Client) -> None:
    client.force_login(person(None))

    answer = client.get("/incidents/")

    assert answer.status_code == 403
    assert "This takes the role viewer" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "path", "allowed"),
    [
        (Role.VIEWER, "/incidents/999/acknowledge/", False),
        (Role.OPERATOR, "/incidents/999/acknowledge/", True),
        (Role.VIEWER, "/rollouts/999/roll_back/", False),
        (Role.OPERATOR, "/rollouts/999/roll_back/", True),
        (Role.VIEWER, "/runs/999/approve/", False),
        (Role.OPERATOR, "/runbooks/retry-storm/mode/", False),
        (Role.OWNER, "/runbooks/retry-storm/mode/", True),
        (Role.VIEWER, "/lab/faults/", False),
    ],
)
def test_a_role_may_do_what_it_may_and_no_more(role: Role, path: str, allowed: bool, client: Client) -> None:
    client.force_login(person(role))

    assert (client.post(path).status_code != 403) is allowed


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.OWNER, Role.ADMINISTRATOR])
def test_every_role_reads(role: Role, client: Client) -> None:
    assert client.get("/api/v1/incidents", headers=bearer(role)).status_code == 200
