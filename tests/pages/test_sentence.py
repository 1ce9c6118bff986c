"""The overview's sentence over a real Prometheus: what fails most is found among all routes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from access.domain.roles import Role
from tests.pages import world
from tests.support.people import person

pytestmark = [pytest.mark.real, pytest.mark.django_db]


def test_the_backend_that_failed_is_named(client: Client, measured: str, settings: Any) -> None:
    settings.PROMETHEUS_URL = measured
    cache.clear()
    client.force_login(person(Role.VIEWER))
    world.tier(datetime.now(UTC))

    page = client.get("/").content.decode()

    assert "Backend shop-v2 failed on shop; its traffic was taken away" in page
