"""What the API of alerts and incidents refuses."""

import pytest
from django.test import Client

from access.domain.roles import Role
from tests.alerts.factories import storm
from tests.support.people import bearer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("limit", ["-1", "0", "1001", "many"])
@pytest.mark.parametrize("what", ["alerts", "incidents"])
def test_a_limit_that_cannot_be_is_named(what: str, limit: str, client: Client) -> None:
    answer = client.get(f"/api/v1/{what}?limit={limit}", headers=bearer(Role.VIEWER))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("what", ["alerts", "incidents"])
def test_as_many_as_allowed_may_be_asked_for(what: str, client: Client) -> None:
    assert client.get(f"/api/v1/{what}?limit=1000", headers=bearer(Role.VIEWER)).json() == []


def test_a_message_of_an_incident_has_the_shape_that_outsiders_count_on(client: Client) -> None:
    number = storm()
    found = client.get(f"/api/v1/incidents/{number}", headers=bearer(Role.VIEWER)).json()
    assert found["explained_by"] is None
    assert {"timeline", "alerts", "messages", "state", "title", "numbers"} <= found.keys()
    (row,) = client.get("/api/v1/alerts?state=firing", headers=bearer(Role.OPERATOR)).json()
    assert (row["incident_id"], row["state"], row["tier"]) == (number, "FIRING", "edge")
