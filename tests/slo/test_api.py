"""The API's list of objectives."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from access.domain.roles import Role
from tests.pages import world
from tests.support.people import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> dict[str, str]:
    return bearer(Role.VIEWER)


@pytest.fixture
def many() -> None:
    world.routes(datetime.now(UTC), 10)


def get(client: Client, query: str, headers: dict[str, str]) -> Any:
    return client.get(f"/api/v1/objectives{query}", headers=headers)


def test_without_a_question_all_are_told_by_name(client: Client, viewer: dict[str, str], many: None) -> None:
    answer = get(client, "", viewer)

    found = [row["name"] for row in answer.json()]
    assert (len(found), answer["X-Total-Count"]) == (12, "12")
    assert found == sorted(found)


def test_a_part_is_told_with_how_many_there_are(client: Client, viewer: dict[str, str], many: None) -> None:
    answer = get(client, "?kind=route_availability&sort=left&limit=3&offset=2", viewer)

    found = [row["left"] for row in answer.json()]
    assert (len(found), answer["X-Total-Count"]) == (3, "10")
    assert found == sorted(found)


def test_it_is_narrowed_by_state_owner_and_tier(client: Client, viewer: dict[str, str], many: None) -> None:
    answer = get(client, "?tier=edge&state=burning&owner=team%200", viewer)

    assert {(row["state"], row["owner"]) for row in answer.json()} == {("burning", "team 0")}
    assert get(client, "?tier=inner", viewer).json() == []


@pytest.mark.parametrize(
    "query",
    [
        *("?state=sad", "?severity=shout", "?sort=up", "?limit=0", "?offset=-1", "?limit=1001"),
        f"?text={'a+' * 101}",
    ],
)
def test_a_senseless_question_names_its_field(query: str, client: Client, viewer: dict[str, str]) -> None:
    answer = get(client, query, viewer)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query[1:].partition("=")[0]


def test_what_may_be_asked_is_described(client: Client) -> None:
    operation = client.get("/api/v1/openapi.json").json()["paths"]["/api/v1/objectives"]["get"]

    assert {each["name"] for each in operation["parameters"]} >= {
        *("tier", "kind", "state", "owner", "limit", "offset", "severity", "sort", "text", "sli", "route"),
    }
