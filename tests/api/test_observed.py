"""What the API says of tiers that are watched, and to whoever would act on one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

import proxy.services
from access.domain.roles import Role
from proxy.memory import InMemoryAdmin
from tests.proxy.test_observed import Dumps, dump, fleet
from tests.support.people import BY, bearer

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def operator() -> dict[str, str]:
    return bearer(Role.OPERATOR)


@pytest.fixture
def watched() -> None:
    proxy.services.apply(document={"tiers": [fleet()]}, by=BY, reason="", now=NOW)
    admin: InMemoryAdmin = Dumps({"127.0.0.1:9901": dump("shop")})
    proxy.services.watch(admin=admin, now=NOW)


def get(client: Client, path: str, headers: dict[str, str]) -> Any:
    return client.get(f"/api/v1/{path}", headers=headers)


def test_an_observed_tier_tells_what_its_proxies_were_seen_to_run(
    client: Client, operator: dict[str, str], watched: None
) -> None:
    (tier,) = get(client, "observed", operator).json()
    assert get(client, "observed/storefront", operator).json() == tier
    first, second = tier["proxies"]
    assert [cluster["name"] for cluster in first["seen"]["clusters"]] == ["shop"]
    assert (second["seen"], second["trouble"]) == (None, "127.0.0.1:9902 does not answer")


def test_an_observed_tier_that_is_not_there_is_named(client: Client, operator: dict[str, str]) -> None:
    answer = get(client, "observed/nope", operator)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "tier")


def test_its_figures_without_prometheus_are_a_problem(
    client: Client, operator: dict[str, str], watched: None, settings: Any
) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:1"
    answer = get(client, "observed/storefront/indicators", operator)
    assert answer.status_code == 503


def test_as_a_driven_tier_it_is_not_there_and_says_why(
    client: Client, operator: dict[str, str], watched: None
) -> None:
    answer = get(client, "tiers/storefront", operator)
    assert answer.status_code == 404
    assert "is observed" in answer.json()["detail"]


def test_a_rollout_on_it_is_refused_with_the_reason(
    client: Client, operator: dict[str, str], watched: None
) -> None:
    body = {"route": "storefront/shop", "upstream": "v2", "reason": "why not"}
    answer = client.post("/api/v1/rollouts", body, content_type="application/json", headers=operator)
    assert answer.status_code in (404, 422)
    assert "no declaration, overlay, rollout or runbook can act on it" in answer.json()["detail"]
