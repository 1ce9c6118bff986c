from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.domain.actor import Actor
from proxy import models, selectors, services
from proxy.domain.errors import Invalid, UnknownRoute, UnknownTier
from tests.proxy.factories import declaration, document, split_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BY = Actor("ann", "cli")


def apply(**changes: Any) -> services.Applied:
    return services.apply(document=document(**changes), by=BY, reason="because", now=NOW)


def test_a_first_declaration_is_revision_one() -> None:
    assert apply().revision == 1
    assert selectors.tier("edge").revision == 1
    assert [proxy.name for proxy in selectors.tier("edge").proxies] == ["edge-1", "edge-2"]


def test_the_same_declaration_again_changes_nothing() -> None:
    apply()
    generation = selectors.generation("edge")
    assert apply().revision is None
    assert selectors.generation("edge") == generation


def test_a_change_keeps_the_rows_that_stay() -> None:
    apply()
    before = selectors.route("shop").id
    apply(access_log="all")
    assert selectors.route("shop").id == before
    assert selectors.tier("edge").revision == 2


def test_what_goes_is_retired_and_revived_under_its_key() -> None:
    apply()
    key = selectors.route("edge/payments").id
    apply(routes=[{"name": "shop", "hosts": ["shop.test"], "upstream": "shop-v1"}])
    assert [row.name for row in selectors.routes("edge")] == ["shop"]
    apply()
    assert selectors.route("payments").id == key


def test_an_invalid_declaration_writes_nothing() -> None:
    with pytest.raises(Invalid):
        apply(routes=[{"name": "shop", "hosts": ["shop.test"], "upstream": "nope"}])
    assert not models.Tier.objects.exists()


def test_one_bad_tier_keeps_the_good_one_out_too() -> None:
    given = {"tiers": [declaration(), declaration(name="other", proxies=[])]}
    with pytest.raises(Invalid):
        services.apply(document=given, by=BY, reason="", now=NOW)
    assert not models.Tier.objects.exists()


def test_what_the_gate_refuses_is_not_published() -> None:
    with pytest.raises(Invalid, match="no good"):
        services.apply(
            document=document(), by=BY, reason="", now=NOW, gate=lambda tier: [(tier.name, "no good")]
        )
    assert not models.Tier.objects.exists()


def test_a_published_split_is_a_revision_of_its_own() -> None:
    apply()
    number = services.publish_split(
        tier="edge", route="shop", weights={"shop-v2": 10000}, by=BY, reason="promoted", now=NOW
    )
    assert number == 2
    assert selectors.route("shop").split == {"shop-v1": 0, "shop-v2": 10000}
    assert split_of(selectors.desired("edge", now=NOW)) == {"shop-v1": 0, "shop-v2": 10000}


def test_unknown_names_are_errors_of_their_own() -> None:
    apply()
    with pytest.raises(UnknownTier):
        selectors.tier("nope")
    with pytest.raises(UnknownRoute):
        selectors.route("nope")
    with pytest.raises(UnknownRoute):
        services.publish_split(tier="edge", route="nope", weights={}, by=BY, reason="", now=NOW)


def test_progress_is_complete_when_every_proxy_acknowledged() -> None:
    apply()
    services.record_ack(tier="edge", proxies=["edge-1"], generation=1, now=NOW)
    assert selectors.progress("edge", 1).acked == {"edge-1": True, "edge-2": False}
    services.record_ack(tier="edge", proxies=["edge-2"], generation=1, now=NOW)
    assert selectors.progress("edge", 1).complete


def test_a_refusal_shows_until_a_later_generation_is_acknowledged() -> None:
    apply()
    services.record_nack(
        tier="edge", proxy="edge-1", generation=1, kind="RouteConfiguration", reason="bad", now=NOW
    )
    assert selectors.progress("edge", 1).nacks == {"edge-1": "bad"}
    services.record_ack(tier="edge", proxies=["edge-1"], generation=2, now=NOW + timedelta(seconds=1))
    assert selectors.progress("edge", 1).nacks == {}


def test_weights_are_acknowledged_apart_from_a_listener_that_is_refused() -> None:
    apply()
    services.record_weights_ack(tier="edge", proxies=["edge-1"], generation=2, now=NOW)
    services.record_ack(tier="edge", proxies=["edge-2"], generation=2, now=NOW)
    services.record_nack(tier="edge", proxy="edge-1", generation=2, kind="listener", reason="bad", now=NOW)
    assert not selectors.progress("edge", 2).complete
    assert selectors.progress("edge", 2).nacks == {"edge-1": "bad"}
    assert selectors.weights_progress("edge", 2).complete
    assert selectors.weights_progress("edge", 2).nacks == {}


def test_a_refused_route_is_a_refusal_of_weights() -> None:
    apply()
    services.record_nack(tier="edge", proxy="edge-1", generation=2, kind="routes", reason="bad", now=NOW)
    assert selectors.weights_progress("edge", 2).nacks == {"edge-1": "bad"}
