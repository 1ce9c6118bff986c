"""What the API of runs refuses."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.domain.roles import Role
from runbooks.models import Step
from tests.pages import world
from tests.support.people import bearer

pytestmark = pytest.mark.django_db


def approve(client: Client, number: int, body: dict[str, Any] | None = None) -> Any:
    return client.post(
        f"/api/v1/runs/{number}/approve",
        body or {},
        content_type="application/json",
        headers=bearer(Role.OPERATOR),
    )


def waiting() -> int:
    world.tier(timezone.now())
    return world.run(timezone.now())


def test_the_only_plan_a_run_asked_for_is_approved_without_its_name(client: Client) -> None:
    answer = approve(client, waiting())
    assert answer.status_code == 200
    assert answer.json()["approvals"][0]["plan_hash"] == answer.json()["plan_hash"]


def test_of_several_plans_the_approval_must_name_one(client: Client) -> None:
    number = waiting()
    Step.objects.create(
        run_id=number, version=3, at=timezone.now(), event="ask", state="AWAITING_APPROVAL", actor="", why=""
    )
    answer = approve(client, number)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "plan_hash"
