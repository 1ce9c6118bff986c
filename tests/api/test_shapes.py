"""The shapes that outsiders count on."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

import proxy.services
from access.domain.roles import Role
from tests.pages import world
from tests.proxy.factories import document
from tests.support.people import BY, bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def operator() -> dict[str, str]:
    return bearer(Role.OPERATOR)


def post(client: Client, path: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> Any:
    return client.post(f"/api/v1/{path}", body or {}, content_type="application/json", headers=headers)


def get(client: Client, path: str, headers: dict[str, str]) -> Any:
    return client.get(f"/api/v1/{path}", headers=headers)


def test_a_tier_tells_what_each_proxy_acknowledged(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)

    tier = get(client, "tiers/edge", operator).json()

    assert tier["generation"] == 1
    assert [(p["name"], p["connected"], p["acked_generation"], p["nack"]) for p in tier["proxies"]] == [
        ("edge-1", True, 1, None),
        ("edge-2", True, 1, None),
    ]


def test_a_tier_tells_where_it_is_less_safe_than_its_defaults(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    declared = document()
    payments = declared["tiers"][0]["routes"][1]
    payments |= {"timeout": "5m", "accepted": {"timeout": "a bank takes its time"}}
    proxy.services.apply(document=declared, by=BY, reason="first", now=now)

    (risk,) = get(client, "tiers/edge", operator).json()["less_safe"]

    assert (risk["path"], risk["of"]) == ("routes[1].timeout", "route payments")
    assert risk["reason"] == "a bank takes its time"


def test_an_unknown_tier_is_named(client: Client, operator: dict[str, str]) -> None:
    answer = get(client, "tiers/nowhere", operator)

    assert answer.status_code == 404
    assert answer.json()["errors"][0]["field"] == "tier"


def test_routes_of_a_tier_tell_base_and_live_split(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)
    world.rollout(now)

    shop = next(row for row in get(client, "routes?tier=edge", operator).json() if row["name"] == "shop")

    assert shop["split"] == {"shop-v1": 10000, "shop-v2": 0}
    assert shop["live"] == {"shop-v1": 9500, "shop-v2": 500}


def test_a_route_says_in_words_what_it_takes(client: Client, operator: dict[str, str], now: datetime) -> None:
    world.tier(now)

    shop = get(client, "routes/shop", operator).json()

    assert (shop["match"], shop["does"]) == (["every path"], [])


def test_a_route_is_found_by_number_and_by_name(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)

    by_name = get(client, "routes/shop", operator).json()

    assert get(client, f"routes/{by_name['id']}", operator).json() == by_name


def test_indicators_without_prometheus_are_a_problem(
    client: Client, operator: dict[str, str], now: datetime, settings: Any
) -> None:
    settings.PROMETHEUS_URL = "http://127.0.0.1:9"
    world.tier(now)

    assert get(client, "routes/shop/indicators", operator).status_code == 503
    assert get(client, "tiers/edge/indicators", operator).status_code == 503


def test_a_rollout_is_started_and_read(client: Client, operator: dict[str, str], now: datetime) -> None:
    world.tier(now)

    answer = post(client, "rollouts", operator, {"route": "shop", "upstream": "shop-v2"})

    assert answer.status_code == 201
    started = answer.json()
    assert (started["route"], started["upstream"], started["state"]) == ("shop", "shop-v2", "running")
    assert started["weight"] == 500
    assert get(client, f"rollouts/{started['id']}", operator).json()["id"] == started["id"]


def test_a_second_live_rollout_on_a_route_names_the_route(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)
    world.rollout(now)

    answer = post(client, "rollouts", operator, {"route": "shop", "upstream": "shop-v2"})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "route"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"route": "nowhere", "upstream": "shop-v2"}, "route"),
        ({"route": "shop", "upstream": "shop-v9"}, "upstream"),
        ({"route": "shop"}, "upstream"),
        ({"route": "shop", "upstream": "shop-v2", "mode": "wild"}, "mode"),
        ({"route": "shop", "upstream": "shop-v2", "plan": {"steps": [900, 500]}}, "plan.steps"),
    ],
)
def test_a_rollout_that_cannot_be_names_the_field(
    body: dict[str, Any], field: str, client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)

    answer = post(client, "rollouts", operator, body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_the_same_key_gives_the_same_rollout(client: Client, operator: dict[str, str], now: datetime) -> None:
    world.tier(now)
    body = {"route": "shop", "upstream": "shop-v2", "key": "deploy-17"}

    first, second = (post(client, "rollouts", operator, body).json()["id"] for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    "other",
    [
        {"route": "payments"},
        {"upstream": "payments"},
        {"plan": {"steps": [100]}},
        {"mode": "auto"},
    ],
)
def test_a_key_that_started_another_rollout_is_a_conflict(
    other: dict[str, Any], client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)
    body = {"route": "shop", "upstream": "shop-v2", "key": "deploy-17"}
    number = post(client, "rollouts", operator, body).json()["id"]

    answer = post(client, "rollouts", operator, {**body, **other})

    assert answer.status_code == 409
    assert answer.json()["errors"] == [
        {"field": "key", "message": f"started rollout {number} already, with another {next(iter(other))}"}
    ]


def test_a_rollout_is_rolled_back_by_hand(client: Client, operator: dict[str, str], now: datetime) -> None:
    world.tier(now)
    number = world.rollout(now)

    answer = post(client, f"rollouts/{number}/rollback", operator, {"reason": "it smells"})

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["weight"]) == ("rolling_back", 0)


def test_an_action_that_the_state_does_not_allow_is_a_conflict(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)
    number = world.rollout(now)

    assert post(client, f"rollouts/{number}/resume", operator).status_code == 409


def test_a_run_is_approved_for_its_plan_only(client: Client, operator: dict[str, str], now: datetime) -> None:
    world.tier(now)
    number = world.run(now)

    wrong = post(client, f"runs/{number}/approve", operator, {"plan_hash": "another"})
    right = post(client, f"runs/{number}/approve", operator, {"plan_hash": "3f6c0d5f9a", "reason": "yes"})

    assert wrong.status_code == 409
    assert wrong.json()["errors"][0]["field"] == "plan_hash"
    assert right.json()["state"] == "confirming"


@pytest.mark.parametrize(("action", "state"), [("deny", "denied"), ("cancel", "cancelled")])
def test_a_run_that_waits_can_be_ended(
    action: str, state: str, client: Client, operator: dict[str, str], now: datetime
) -> None:
    world.tier(now)
    number = world.run(now)

    assert post(client, f"runs/{number}/{action}", operator).json()["state"] == state


def test_an_incident_is_acknowledged_silenced_and_resolved(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    number = world.incident(now)

    assert (
        post(client, f"incidents/{number}/acknowledge", operator, {"reason": "mine"}).json()["state"]
        == "ACKED"
    )
    assert post(client, f"incidents/{number}/silence", operator).status_code == 200
    assert (
        post(client, f"incidents/{number}/resolve", operator, {"reason": "over"}).json()["state"]
        == "RESOLVED"
    )
    assert post(client, f"incidents/{number}/acknowledge", operator).status_code == 409


def test_a_silence_that_lasts_too_long_names_the_field(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    number = world.incident(now)

    answer = post(client, f"incidents/{number}/silence", operator, {"until": "2099-01-01T00:00:00Z"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "until"


def test_who_acted_by_the_api_is_in_the_audit(
    client: Client, operator: dict[str, str], now: datetime
) -> None:
    number = world.incident(now)
    post(client, f"incidents/{number}/acknowledge", operator, {"reason": "mine"})

    entry = get(client, "audit?action=incident.ack", operator).json()[0]

    assert (entry["actor"], entry["source"], entry["reason"]) == ("operator", "api", "mine")


@pytest.mark.parametrize(
    "path", ["objectives", "alerts", "incidents", "runs", "rollouts", "audit", "tiers", "routes"]
)
def test_every_list_can_be_read(path: str, client: Client, operator: dict[str, str], now: datetime) -> None:
    world.tier(now)
    world.budgets(now)
    world.rollout(now)
    world.run(now, world.incident(now))

    answer = get(client, path, operator)

    assert answer.status_code == 200
    assert answer.json()


@pytest.mark.parametrize("limit", ["-1", "0", "1001", "many"])
def test_a_limit_of_the_audit_that_is_none_is_named(
    client: Client, operator: dict[str, str], limit: str
) -> None:
    answer = get(client, f"audit?limit={limit}", operator)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("route", ["²", "٣", "9" * 30, "9" * 5000])
def test_a_route_of_odd_digits_is_not_there(
    client: Client, operator: dict[str, str], now: datetime, route: str
) -> None:
    world.tier(now)

    assert get(client, f"routes/{route}", operator).status_code == 404
