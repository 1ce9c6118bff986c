"""A tier's charts around the time that a message leads to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from access.domain.roles import Role
from dashboard import reading
from dashboard.views import tiers
from telemetry import drawing
from tests.pages import world
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ends(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Until when charts were drawn."""
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    cache.clear()
    client.force_login(person(Role.VIEWER))
    world.tier(datetime.now(UTC))
    drawn: list[datetime] = []
    draw = drawing.draw

    def noted(*args: Any, now: datetime, **options: Any) -> Any:
        drawn.append(now)
        return draw(*args, now=now, **options)

    monkeypatch.setattr(tiers, "draw", noted)
    return drawn


def test_a_message_leads_to_the_charts_around_its_time(client: Client, ends: list[datetime]) -> None:
    answer = client.get("/tiers/edge/?at=2026-03-01T12:00:00Z")

    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert set(ends) == {at + reading.SPAN / 2}
    said = answer.content.decode()
    assert "2026-03-01 12:00:00 UTC" in said
    assert "added-latency.json?at=2026-03-01T12%3A00%3A00%2B00%3A00" in said
    client.get("/tiers/edge/charts/added-latency.json?at=2026-03-01T12%3A00%3A00%2B00%3A00")
    assert set(ends) == {at + reading.SPAN / 2}


def test_without_a_time_they_end_now(client: Client, ends: list[datetime]) -> None:
    client.get("/tiers/edge/")
    client.get(f"/tiers/edge/?at={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")

    assert ends
    assert all(abs(end - datetime.now(UTC)) < timedelta(minutes=1) for end in ends)


@pytest.mark.parametrize(
    "at",
    [
        "yesterday",
        "2026-03-01T12:00:00",
        "2026-13-01T12:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_not_found(client: Client, ends: list[datetime], at: str) -> None:
    assert client.get("/tiers/edge/", {"at": at}).status_code == 404
