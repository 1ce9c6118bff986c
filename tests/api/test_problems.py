"""Every error of the API is an RFC 9457 problem document."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from access.domain.roles import Role
from tests.support.people import bearer, person

pytestmark = pytest.mark.django_db


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


def test_without_a_token_it_is_401(client: Client) -> None:
    answer = client.get("/api/v1/incidents")

    problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_token_is_401(client: Client) -> None:
    problem(client.get("/api/v1/incidents", headers={"Authorization": "Bearer sluice_no"}), 401)


def test_a_browser_session_is_no_token(client: Client) -> None:
    client.force_login(person(Role.OWNER))

    problem(client.get("/api/v1/incidents"), 401)


def test_a_user_without_a_role_may_not_read(client: Client) -> None:
    document = problem(client.get("/api/v1/incidents", headers=bearer(None)), 403)

    assert "viewer" in document["detail"]


def test_a_viewer_may_not_act(client: Client) -> None:
    document = problem(client.post("/api/v1/incidents/1/acknowledge", headers=bearer(Role.VIEWER)), 403)

    assert "operator" in document["detail"]


def test_an_address_that_is_not_there_is_404(client: Client) -> None:
    problem(client.get("/api/v1/nothing", headers=bearer(Role.VIEWER)), 404)


def test_a_thing_that_is_not_there_is_404(client: Client) -> None:
    document = problem(client.get("/api/v1/incidents/999", headers=bearer(Role.VIEWER)), 404)

    assert document["instance"] == "/api/v1/incidents/999"


def test_a_name_with_a_nul_is_a_problem_of_the_request(client: Client) -> None:
    answer = client.get("/api/v1/routes/%00", headers=bearer(Role.VIEWER))

    problem(answer, 422 if connection.vendor == "postgresql" else 404)


def test_a_method_that_is_not_offered_is_405_and_names_what_is(client: Client) -> None:
    answer = client.delete("/api/v1/incidents", headers=bearer(Role.VIEWER))

    problem(answer, 405)
    assert answer["Allow"] == "GET"


def test_a_field_that_does_not_validate_is_named(client: Client) -> None:
    answer = client.post(
        "/api/v1/lab/faults",
        {"backend": "shop-v2", "error_rate": 7},
        content_type="application/json",
        headers=bearer(Role.OPERATOR),
    )

    assert problem(answer, 422)["errors"][0]["field"] == "error_rate"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("lab/faults", {"backend": "shop-v1", "eror_rate": 0.5}, "eror_rate"),
        ("incidents/1/silence", {"minutes": 0}, "minutes"),
        ("incidents/1/acknowledge", {"why": "mine"}, "why"),
        ("rollouts", {"route": "shop", "upstream": "shop-v2", "steps": [100]}, "steps"),
        ("rollouts/1/rollback", {"resaon": "it smells"}, "resaon"),
        ("runs/1/approve", {"hash": "3f"}, "hash"),
    ],
)
def test_a_field_that_is_none_is_named_and_nothing_is_done(
    path: str, body: dict[str, Any], field: str, client: Client
) -> None:
    answer = client.post(
        f"/api/v1/{path}", body, content_type="application/json", headers=bearer(Role.OPERATOR)
    )

    assert problem(answer, 422)["errors"][0]["field"] == field


def test_every_body_that_an_operation_takes_refuses_other_fields(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()

    shapes = document["components"]["schemas"]
    bodies = {name for name in shapes if name in ("Why", "Because") or name.endswith("In")}
    assert {"Why", "Because", "StartIn", "FaultIn", "SilenceIn", "ApproveIn"} <= bodies
    assert {name for name in bodies if shapes[name].get("additionalProperties") is not False} == set()


def test_a_body_that_is_no_json_is_a_problem(client: Client) -> None:
    answer = client.post(
        "/api/v1/lab/faults", "{no", content_type="application/json", headers=bearer(Role.OPERATOR)
    )

    problem(answer, 400)


def test_without_a_lab_the_lab_is_404(client: Client, settings: Any) -> None:
    settings.LAB_URL = ""

    problem(client.get("/api/v1/lab/faults", headers=bearer(Role.VIEWER)), 404)


def test_the_description_of_the_api_is_open(client: Client) -> None:
    answer = client.get("/api/v1/openapi.json")

    assert answer.status_code == 200
    assert "/api/v1/incidents" in answer.json()["paths"]


def test_every_operation_is_described_with_its_problem(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()

    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all("application/problem+json" in each["responses"]["default"]["content"] for each in operations)


def test_no_two_shapes_of_the_description_share_a_name(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()

    shapes = document["components"]["schemas"]
    assert set(shapes["AuditOut"]["properties"]) >= {"actor", "source", "target"}
    assert set(shapes["EntryRow"]["properties"]) >= {"kind", "text"}
    assert set(shapes["StepRow"]["properties"]) >= {"weight", "verdict"}
    assert set(shapes["RunStepOut"]["properties"]) >= {"event", "evidence"}


@pytest.mark.parametrize("limit", ["-1", "0", "1001", "many"])
@pytest.mark.parametrize("path", ["alerts", "incidents", "rollouts", "runs", "audit"])
def test_a_senseless_limit_is_named(path: str, limit: str, client: Client) -> None:
    answer = client.get(f"/api/v1/{path}?limit={limit}", headers=bearer(Role.VIEWER))

    assert problem(answer, 422)["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("path", ["incidents", "rollouts", "runs", "objectives", "routes"])
def test_a_number_beyond_every_number_is_404(path: str, client: Client) -> None:
    problem(client.get(f"/api/v1/{path}/99999999999999999999", headers=bearer(Role.VIEWER)), 404)
