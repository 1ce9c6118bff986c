"""What the API of runs refuses."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.domain.roles import Role
from runbooks.models import Run, Step
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


def test_a_run_is_started_taken_over_extended_and_given_back(client: Client) -> None:
    world.tier(timezone.now())
    headers = bearer(Role.OPERATOR)
    target = {"tier": "edge", "subject": "shop"}
    plan = client.get("/api/v1/runbooks/retry-storm/plan", target, headers=headers).json()
    body = {**target, "plan_hash": plan["plan_hash"], "reason": "drill"}
    started = client.post(
        "/api/v1/runbooks/retry-storm/runs", body, content_type="application/json", headers=headers
    )
    assert (started.status_code, started.json()["state"]) == (201, "proposed")
    number = started.json()["id"]
    Run.objects.filter(pk=number).update(
        state="HOLDING", version=2, mitigated_at=timezone.now(), overlay_expires_at=timezone.now()
    )
    Step.objects.create(
        run_id=number, version=2, at=timezone.now(), event="worked", state="HOLDING", actor="", why=""
    )

    def done(act: str, **given: Any) -> Any:
        url = f"/api/v1/runs/{number}/{act}"
        return client.post(url, given, content_type="application/json", headers=headers)

    assert done("give-back").status_code == 409
    assert done("take", reason="mine").json()["taken_by"] != ""
    assert done("extend", minutes=60).status_code == 200
    assert done("extend", minutes=60 * 24).json()["errors"][0]["field"] == "minutes"
    assert done("give-back").json()["state"] == "verifying"


def test_a_start_of_another_plan_is_refused(client: Client) -> None:
    world.tier(timezone.now())
    body = {"tier": "edge", "subject": "shop", "plan_hash": "x", "reason": "drill"}
    answer = client.post(
        "/api/v1/runbooks/retry-storm/runs",
        body,
        content_type="application/json",
        headers=bearer(Role.OPERATOR),
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "plan_hash")
