"""Cross-origin requests at a real Envoy: a browser's question, and what scripts may read."""

from pathlib import Path

import pytest
import requests

from tests.proxy.asking import endpoints, serve, total
from tests.proxy.world import World

pytestmark = pytest.mark.real

PAGE = "https://app.example.org"
ASKED = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-one"}
KEY = {"x-api-key": "app-" + 24 * "1"}
BEARS = "access-control-allow-"


@pytest.fixture
def asked(world: World, secrets: Path) -> World:
    """A world whose route `c.test` may be asked by the scripts of one origin's pages, with a key."""
    (secrets / "scripts.keys").write_text(f"app: {KEY['x-api-key']}\n")
    cors = {
        "allow_origins": [PAGE],
        "allow_methods": ["GET", "PUT"],
        "allow_headers": ["x-one"],
        "expose_headers": ["x-lab-backend"],
        "allow_credentials": True,
        "max_age": "5m",
    }
    guarded = {"access": {"api_keys": "scripts"}}
    serve(
        world,
        api_keys=[{"name": "scripts", "file": "scripts.keys"}],
        upstreams=[{"name": "c", "endpoints": endpoints(world, "payments-a")}],
        routes=[
            {"name": "c", "hosts": ["c.test"], "upstream": "c", "cors": cors, **guarded},
            {"name": "plain", "hosts": ["plain.test"], "upstream": "c"},
        ],
    )
    world.reconnect()
    return world


def told(answer: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith(BEARS)}


def test_the_question_is_answered_by_the_proxy_whoever_asks(asked: World) -> None:
    before = total(asked, "payments-a")
    labels = {"route": "c", "reason": "direct_response"}
    counted = asked.metric("envoy_sluice_rq", **labels)

    answer = asked.get("c.test", method="OPTIONS", headers={"Origin": PAGE, **ASKED})

    assert answer.status_code == 200
    assert told(answer) == {
        f"{BEARS}origin": PAGE,
        f"{BEARS}methods": "GET, PUT",
        f"{BEARS}headers": "x-one",
        f"{BEARS}credentials": "true",
    }
    assert answer.headers["access-control-max-age"] == "300"
    assert total(asked, "payments-a") == before
    assert asked.metric("envoy_sluice_rq", **labels) == counted + 1


def test_a_page_of_another_origin_is_told_nothing_and_asks_no_backend(asked: World) -> None:
    before = total(asked, "payments-a")
    evil = {"Origin": "https://evil.example.org", **ASKED, **KEY}
    answer = asked.get("c.test", method="OPTIONS", headers=evil)
    assert f"{BEARS}origin" not in told(answer)
    assert total(asked, "payments-a") == before


def test_an_answer_says_who_may_read_it(asked: World) -> None:
    mine = asked.get("c.test", headers={"Origin": PAGE, **KEY})
    refused = asked.get("c.test", headers={"Origin": PAGE})
    others = asked.get("c.test", headers={"Origin": "https://evil.example.org", **KEY})
    assert (mine.status_code, refused.status_code, others.status_code) == (200, 401, 200)
    assert told(mine) == told(refused) == {f"{BEARS}origin": PAGE, f"{BEARS}credentials": "true"}
    assert mine.headers["access-control-expose-headers"] == "x-lab-backend"
    assert told(others) == {}


def test_a_route_without_a_policy_leaves_it_to_its_backend(asked: World) -> None:
    before = total(asked, "payments-a")
    answer = asked.get("plain.test", method="OPTIONS", headers={"Origin": PAGE, **ASKED})
    assert told(answer) == {}
    assert total(asked, "payments-a") == before + 1
