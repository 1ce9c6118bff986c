"""The lists of rollouts and releases: narrowed, cut to pages, and as many queries whatever their number."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import proxy.selectors
from access.domain.roles import Role
from canary import listing
from canary.domain.plan import read
from canary.models import Member, Release, Rollout
from tests.canary.factories import T0, World
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client: Client) -> Client:
    World()
    client.force_login(person(Role.VIEWER))
    return client


def ended(number: int, **changes: Any) -> Rollout:
    """A rollout of long ago, not saved."""
    given: dict[str, Any] = {
        "route_id": proxy.selectors.route("edge/shop").id,
        "tier": "edge",
        "route_name": "shop",
        "upstream": "shop-v2",
        "base": {"shop-v1": 10000},
        "plan": read({}).model_dump(mode="json"),
        "mode": "auto",
        "key": f"build-{number}",
        "created_at": T0 + timedelta(minutes=number),
        "created_by": "ann",
        "state": "promoted",
        "weight": 10000,
        "reason": "it passed",
        "next_wakeup_at": T0,
    }
    return Rollout(**{**given, **changes})


def rollouts(count: int, **changes: Any) -> None:
    first = Rollout.objects.count()
    Rollout.objects.bulk_create(ended(first + one, **changes) for one in range(count))


def releases(count: int, **changes: Any) -> None:
    first = Release.objects.count()
    declared = {"waves": [{"name": "first"}], "on_failure": "keep"}
    given = {
        "declared": declared,
        "state": "promoted",
        "reason": "done",
        "created_at": T0,
        "created_by": "ann",
    }
    made = Release.objects.bulk_create(
        Release(**{"key": f"release-{first + one}", **given, **changes}) for one in range(count)
    )
    Member.objects.bulk_create(
        Member(release=one, wave=0, place=0, tier="edge", route_name="shop", upstream="shop-v2")
        for one in made
    )


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


@pytest.mark.parametrize(("path", "make"), [("/rollouts/", rollouts), ("/releases/", releases)])
def test_a_list_takes_as_many_queries_at_a_thousand_as_at_ten(viewer: Client, path: str, make: Any) -> None:
    make(10)
    queries(viewer, path)
    ten = queries(viewer, path)
    make(990)
    assert queries(viewer, path) == ten
    assert queries(viewer, f"{path}?page=20&text=ann") == ten


def test_a_page_shows_fifty_and_leads_to_the_next_ones(viewer: Client) -> None:
    rollouts(120)
    shown = unescape(viewer.get("/rollouts/?page=2").content.decode())
    assert "51 to 100 of 120, page 2 of 3" in shown
    assert ('href="/rollouts/?page=1"' in shown, 'href="/rollouts/?page=3"' in shown) == (True, True)
    assert len(listing.rollouts(page=3).rows) == 20
    assert "Page 9 is past the end: there are 3." in viewer.get("/rollouts/?page=9").content.decode()


def test_the_fragment_that_is_read_again_stays_on_its_page(viewer: Client) -> None:
    rollouts(120)
    shown = unescape(viewer.get("/rollouts/?text=ann&page=2").content.decode())
    assert 'hx-get="/rollouts/live/?text=ann&page=2"' in shown
    assert "51 to 100 of 120" in viewer.get("/rollouts/live/?text=ann&page=2").content.decode()


def test_words_and_a_state_narrow_the_rollouts(viewer: Client) -> None:
    rollouts(3)
    rollouts(1, upstream="shop-v9", state="rolled_back", created_by="bob")
    rollouts(1, state="needs_human")
    assert [row.upstream for row in listing.rollouts(text="v9 BOB").rows] == ["shop-v9"]
    assert [row.state for row in listing.rollouts(state="asks").rows] == ["needs_human"]
    assert (listing.rollouts(state="live").total, listing.rollouts(state="ended").total) == (1, 4)
    newest = listing.rollouts().rows[0].id
    assert [row.id for row in listing.rollouts(text=f"#{newest}").rows] == [newest]
    assert "No rollout is like that" in viewer.get("/rollouts/?text=nothing").content.decode()


def test_words_and_a_state_narrow_the_releases(viewer: Client) -> None:
    releases(3)
    releases(1, key="shop-build-7", state="paused")
    assert [row.key for row in listing.releases(text="build").rows] == ["shop-build-7"]
    assert listing.releases(text="edge shop-v2").total == 4
    assert (listing.releases(state="live").total, listing.releases(state="ended").total) == (1, 3)
    assert "No release is like that" in viewer.get("/releases/?state=live&text=nobody").content.decode()
