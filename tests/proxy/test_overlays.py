from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from audit.domain.actor import Actor
from audit.selectors import entries
from config.celery_settings import beat_schedule
from proxy import selectors, services, tasks
from proxy.domain.errors import Invalid, StaleFence, TargetTaken, UnknownTarget
from tests.proxy.factories import document, split_of, weights

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
BY = Actor("ann", "cli")
SHOP = {"tier": "edge", "target": "route/shop/weights", "owner": "rollout/1"}


@pytest.fixture(autouse=True)
def edge() -> None:
    services.apply(document=document(), by=BY, reason="first", now=NOW)


def lease(owner: str = "rollout/1", now: datetime = NOW, until: datetime = LATER) -> int:
    return services.lease(tier="edge", target="route/shop/weights", owner=owner, until=until, by=BY, now=now)


def put(
    fence: int,
    canary: int = 500,
    now: datetime = NOW,
    expires_at: datetime = LATER,
    owner: str = "rollout/1",
) -> int:
    return services.put_overlay(
        **{**SHOP, "owner": owner},
        patch=weights(canary),
        fence=fence,
        expires_at=expires_at,
        by=BY,
        reason="step",
        now=now,
    )


def delete(fence: int, now: datetime = NOW, release: bool = True) -> int:
    return services.delete_overlay(**SHOP, fence=fence, by=BY, reason="over", now=now, release=release)


def split(now: datetime = NOW) -> dict[str, int]:
    return split_of(selectors.desired("edge", now=now))


def test_an_overlay_is_served_until_it_expires() -> None:
    put(lease())
    assert split() == {"shop-v1": 9500, "shop-v2": 500}
    assert split(LATER) == {"shop-v1": 10000, "shop-v2": 0}


def test_a_put_overlay_returns_the_generation_that_contains_it() -> None:
    before = selectors.generation("edge")
    assert put(lease()) == selectors.generation("edge") == before + 1


def test_the_same_owner_gets_the_same_fence_and_replaces_its_overlay() -> None:
    put(lease())
    assert lease() == 1
    put(1, canary=1000)
    assert split()["shop-v2"] == 1000
    assert len(selectors.live_overlays("edge", now=NOW)) == 1


def test_another_owner_is_refused_while_the_lease_lasts() -> None:
    lease()
    with pytest.raises(TargetTaken) as refused:
        lease("run/9")
    assert refused.value.owner == "rollout/1"


def test_a_lease_that_ran_out_can_be_taken_and_its_fence_is_then_stale() -> None:
    old = lease()
    assert lease("run/9", now=LATER) > old
    with pytest.raises(TargetTaken):
        put(old, now=LATER, expires_at=LATER + timedelta(minutes=1))


def test_a_lease_lasts_as_long_as_its_overlay() -> None:
    put(lease(until=NOW + timedelta(seconds=1)))
    with pytest.raises(TargetTaken):
        lease("run/9", now=NOW + timedelta(seconds=2))


def test_a_deleted_overlay_cannot_be_brought_back_with_its_fence() -> None:
    fence = lease()
    put(fence)
    delete(fence)
    with pytest.raises(StaleFence):
        put(fence)
    assert split()["shop-v2"] == 0


def test_deleting_before_a_stalled_writer_puts_still_stops_it() -> None:
    fence = lease()
    delete(fence)
    with pytest.raises(StaleFence):
        put(fence)


def test_after_a_deletion_the_same_owner_gets_a_new_fence() -> None:
    fence = lease()
    put(fence)
    delete(fence, release=False)
    assert lease() > fence


def test_deleting_twice_changes_the_generation_once() -> None:
    fence = lease()
    put(fence)
    assert delete(fence) == delete(fence) == selectors.generation("edge")


def test_a_late_deletion_leaves_the_next_owner_alone() -> None:
    old = lease()
    new = lease("run/9", now=LATER)
    put(new, owner="run/9", now=LATER, expires_at=LATER + timedelta(minutes=5))
    delete(old, now=LATER)
    assert split(LATER)["shop-v2"] == 500


def test_a_fence_that_was_never_given_out_buries_nothing() -> None:
    put(lease())
    with pytest.raises(StaleFence):
        delete(5)
    with pytest.raises(TargetTaken):
        services.delete_overlay(
            tier="edge", target=SHOP["target"], owner="run/9", fence=1, by=BY, reason="", now=NOW
        )
    assert split()["shop-v2"] == 500


def test_renewing_moves_the_expiry_and_no_generation() -> None:
    generation = put(lease())
    further = LATER + timedelta(minutes=5)
    services.renew_overlay(**SHOP, fence=1, expires_at=further, now=NOW)
    assert split(LATER)["shop-v2"] == 500
    assert selectors.generation("edge") == generation


def test_an_expired_overlay_is_not_renewed() -> None:
    put(lease())
    with pytest.raises(StaleFence):
        services.renew_overlay(**SHOP, fence=1, expires_at=LATER + timedelta(minutes=5), now=LATER)


def test_expiry_is_recorded_and_its_fence_is_dead() -> None:
    before = put(lease())
    assert services.expire(now=LATER) == 1
    assert services.expire(now=LATER) == 0
    assert selectors.generation("edge") == before + 1
    with pytest.raises(StaleFence):
        put(1, now=LATER, expires_at=LATER + timedelta(minutes=1))
    assert entries(action="overlay.expired")[0].actor == "expiry"


def test_with_no_ads_server_a_worker_expires_what_has_run_out() -> None:
    held = {"tier": "edge", "target": "route/shop/weights", "owner": "rollout/1"}
    now = timezone.now()
    fence = lease(now=now, until=now + timedelta(minutes=1))
    put(fence, now=now - timedelta(minutes=2), expires_at=now - timedelta(minutes=1))
    assert "proxy.expire" in {entry["task"] for entry in beat_schedule.values()}
    tasks.expire()
    assert [row.fence_floor for row in selectors.targets("edge")] == [fence + 1]
    with pytest.raises(StaleFence):
        services.renew_overlay(**held, fence=fence, expires_at=now + timedelta(minutes=1), now=now)


def test_a_patch_must_change_the_target_that_is_held() -> None:
    fence = lease()
    with pytest.raises(Invalid, match="not route/shop/weights"):
        services.put_overlay(
            **SHOP,
            patch={"kind": "retry_off", "route": "shop"},
            fence=fence,
            expires_at=LATER,
            by=BY,
            reason="",
            now=NOW,
        )


def test_an_unknown_target_cannot_be_leased() -> None:
    with pytest.raises(UnknownTarget):
        services.lease(tier="edge", target="route/nope/weights", owner="x", until=LATER, by=BY, now=NOW)


def test_a_declaration_that_takes_the_ground_from_a_live_overlay_is_refused() -> None:
    put(lease())
    only_payments = [{"name": "payments", "hosts": ["payments.test"], "upstream": "payments"}]
    with pytest.raises(Invalid, match="held by rollout/1"):
        services.apply(document=document(routes=only_payments), by=BY, reason="", now=NOW)


def shop(split: dict[str, int]) -> list[dict[str, object]]:
    """The routes of the declaration with this split of the shop."""
    routes = [dict(route) for route in document()["tiers"][0]["routes"]]
    routes[0]["split"] = split
    return routes


def test_a_split_under_a_live_overlay_is_not_declared_anew() -> None:
    put(lease())
    changed = document(routes=shop({"shop-v1": 5000, "shop-v2": 5000}))
    with pytest.raises(Invalid) as refused:
        services.apply(document=changed, by=BY, reason="half", now=NOW)
    ((path, why),) = refused.value.errors
    assert path == "tiers[0].routes[0].split"
    assert why.startswith("the split of route shop is held by rollout/1")
    assert "roll it back" in why
    assert services.apply(document=changed, by=BY, reason="half", now=LATER).revision == 2


def test_the_rest_of_a_route_under_a_live_overlay_may_change() -> None:
    put(lease())
    routes = shop({"shop-v1": 10000})
    routes[0]["timeout"] = "4s"
    assert services.apply(document=document(routes=routes), by=BY, reason="", now=NOW).revision == 2


def test_the_owner_of_the_weights_publishes_the_split_under_its_overlay() -> None:
    put(lease(), canary=10000)
    services.publish_split(
        tier="edge", route="shop", weights={"shop-v2": 10000}, by=BY, reason="promoted", now=NOW
    )
    assert selectors.route("shop").split == {"shop-v1": 0, "shop-v2": 10000}


def test_who_did_it_and_why_is_on_record() -> None:
    put(lease())
    newest = entries(action="overlay.put")[0]
    assert (newest.actor, newest.target, newest.reason) == ("ann", "edge/route/shop/weights", "step")
