"""People leave things out of budgets by pages and by the API, and everybody sees it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from access.domain.roles import Role
from audit.models import Entry
from slo import services
from slo.models import Correction, Maintenance, Objective
from tests.slo.recorded import tier
from tests.support.people import BY, bearer, person

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
FORM = {"tier": "edge", "route": "shop", "objective": "", "reason": "a load test"}


@pytest.fixture
def now() -> datetime:
    found = datetime.now(UTC).replace(second=0, microsecond=0)
    services.sync(tier=tier(), by=BY, now=found - 3 * HOUR)
    return found


@pytest.fixture
def owner(client: Client) -> Client:
    client.force_login(person(Role.OWNER))
    return client


def typed(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"


class TestPages:
    def test_a_correction_is_added_seen_and_taken_back(self, owner: Client, now: datetime) -> None:
        span = {"starts_at": typed(now - 2 * HOUR), "ends_at": typed(now - HOUR)}

        assert owner.post("/corrections/add/", {**FORM, **span}).status_code == 302
        made = Correction.objects.get()
        page = owner.get("/corrections/").content.decode()
        owner.post(f"/corrections/{made.pk}/remove/", {"reason": "it was real"})
        after = owner.get("/corrections/").content.decode()

        assert (made.starts_at, made.by) == (now - 2 * HOUR, "owner")
        assert "a load test" in page
        assert "Take back" in page
        assert "it was real" in after
        assert "Take back" not in after
        assert {e.actor for e in Entry.objects.filter(action__startswith="correction.")} == {"owner"}

    def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
        self, owner: Client, now: datetime
    ) -> None:
        span = {"starts_at": typed(now - HOUR), "ends_at": typed(now + HOUR)}

        page = owner.post("/corrections/add/", {**FORM, **span}).content.decode()

        assert "only what is over can be corrected" in page
        assert 'value="a load test"' in page
        assert not Correction.objects.exists()

    def test_a_link_fills_the_form_in(self, owner: Client, now: datetime) -> None:
        page = owner.get("/corrections/add/?tier=edge&objective=shop-availability").content.decode()

        assert 'value="shop-availability"' in page

    def test_maintenance_is_declared_seen_and_ended(self, owner: Client, now: datetime) -> None:
        sunday = now + timedelta(days=7 - (now.weekday() + 1) % 7)
        window = {"starts_at": typed(sunday), "minutes": "60", "rule": "FREQ=WEEKLY;BYDAY=SU"}

        assert owner.post("/maintenance/add/", {**FORM, **window}).status_code == 302
        page = owner.get("/maintenance/").content.decode()
        owner.post(f"/maintenance/{Maintenance.objects.get().pk}/remove/", {"reason": "no more"})

        assert "FREQ=WEEKLY;BYDAY=SU" in page
        assert "no more" in owner.get("/maintenance/").content.decode()

    @pytest.mark.parametrize("path", ["/corrections/add/", "/maintenance/add/", "/corrections/1/remove/"])
    def test_only_owners_may(self, client: Client, now: datetime, path: str) -> None:
        client.force_login(person(Role.OPERATOR))

        assert client.post(path, FORM).status_code == 403

    def test_empty_pages_say_what_they_are_for(self, owner: Client, now: datetime) -> None:
        assert "Nothing is left out" in owner.get("/corrections/").content.decode()
        assert "No maintenance is declared" in owner.get("/maintenance/").content.decode()


@pytest.fixture
def headers() -> dict[str, str]:
    return bearer(Role.OWNER)


def post(client: Client, path: str, headers: dict[str, str], body: Any) -> Any:
    return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


class TestApi:
    def test_a_correction_is_added_listed_and_taken_back(
        self, client: Client, headers: dict[str, str], now: datetime
    ) -> None:
        body = {
            "tier": "edge",
            "objective": "shop-availability",
            "starts_at": (now - 2 * HOUR).isoformat(),
            "ends_at": (now - HOUR).isoformat(),
            "reason": "a load test",
        }

        made = post(client, "corrections", headers, body)
        gone = post(client, f"corrections/{made.json()['id']}/remove", headers, {"reason": "it was real"})
        (listed,) = client.get("/api/v1/corrections?tier=edge", headers=headers).json()

        assert (made.status_code, made.json()["by"], made.json()["removed_at"]) == (201, "owner", None)
        assert gone.json()["removed_why"] == "it was real"
        assert listed == gone.json()

    def test_maintenance_is_declared_listed_and_ended(
        self, client: Client, headers: dict[str, str], now: datetime
    ) -> None:
        body = {"tier": "edge", "starts_at": now.isoformat(), "minutes": 30, "reason": "disks"}

        made = post(client, "maintenance", headers, body)
        gone = post(client, f"maintenance/{made.json()['id']}/remove", headers, {"reason": "done"})

        assert (made.status_code, made.json()["on"]) == (201, True)
        assert (gone.json()["on"], gone.json()["next_at"]) == (False, None)
        assert len(client.get("/api/v1/maintenance", headers=headers).json()) == 1

    def test_a_part_of_a_second_is_no_other_time(
        self, client: Client, headers: dict[str, str], now: datetime
    ) -> None:
        starts = (now + HOUR).replace(microsecond=123000)
        body = {"tier": "edge", "starts_at": starts.isoformat(), "minutes": 30, "reason": "disks"}

        made = post(client, "maintenance", headers, {**body, "rule": "FREQ=DAILY"})

        assert made.status_code == 201

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"starts_at": "2026-01-01T00:00:00"}, "starts_at"),
            ({"tier": "nowhere"}, "tier"),
            ({"rule": "FREQ=HOURLY"}, "rule"),
            ({"minutes": 0}, "minutes"),
            ({"reason": " "}, "reason"),
            ({"starts_at": "9999-12-31T23:59:59Z"}, "starts_at"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, client: Client, headers: dict[str, str], now: datetime, change: dict[str, Any], field: str
    ) -> None:
        body = {"tier": "edge", "starts_at": now.isoformat(), "minutes": 30, "reason": "disks", **change}

        answer = post(client, "maintenance", headers, body)

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field

    @pytest.mark.parametrize("path", ["corrections/7/remove", "maintenance/7/remove"])
    def test_what_is_not_there_is_named(
        self, client: Client, headers: dict[str, str], now: datetime, path: str
    ) -> None:
        answer = post(client, path, headers, {"reason": "why"})

        assert answer.status_code == 404
        assert "7" in answer.json()["detail"]

    def test_a_budgets_history_is_told(self, client: Client, headers: dict[str, str], now: datetime) -> None:
        number = Objective.objects.earliest("pk").pk

        answer = client.get(f"/api/v1/objectives/{number}/history?days=7", headers=headers)

        assert len(answer.json()["points"]) == 8
        assert answer.json()["forecast"] is None
        assert client.get("/api/v1/objectives/999/history", headers=headers).status_code == 404
