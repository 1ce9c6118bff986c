"""Tiers that are watched and not driven: declared, refused to whoever would act, read and compared."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from audit.domain.actor import Actor
from audit.models import Entry
from proxy import models, observed, selectors, services
from proxy.domain.errors import Invalid, NotDriven, ProxyUnreachable, UnknownRoute, UnknownTier
from proxy.memory import InMemoryAdmin
from tests.proxy.factories import declaration

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BY = Actor("ann", "cli")


def fleet(**changes: Any) -> dict[str, Any]:
    """Two gateways of another team, as a person would declare them."""
    return {
        "name": "storefront",
        "observed": True,
        "labels": {"job": "envoy"},
        "proxies": [
            {"name": "gw-1", "admin": "127.0.0.1:9901"},
            {"name": "gw-2", "admin": "127.0.0.1:9902", "series": "gw-2:9901"},
        ],
        **changes,
    }


def apply(*tiers: dict[str, Any]) -> services.Applied:
    return services.apply(document={"tiers": list(tiers)}, by=BY, reason="because", now=NOW)


class Dumps(InMemoryAdmin):
    """Admin interfaces that answer with these dumps, and no others that answer."""

    def __init__(self, dumps: Mapping[str, Any]) -> None:
        super().__init__()
        self.dumps = dict(dumps)

    def config_dump(self, address: str) -> dict[str, Any]:
        if address not in self.dumps:
            raise ProxyUnreachable(f"{address} does not answer")
        found: dict[str, Any] = self.dumps[address]
        return found


def dump(*clusters: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"
    return {
        "configs": [{"@type": kind, "static_clusters": [{"cluster": {"name": name}} for name in clusters]}]
    }


def test_an_observed_tier_is_kept_beside_the_driven_ones() -> None:
    applied = apply(declaration(), fleet())
    assert (applied.observed, list(applied.revisions)) == (("storefront",), ["edge"])
    assert [row.name for row in observed.tiers()] == ["storefront"]
    assert [row.name for row in selectors.tiers()] == ["edge"]


def test_the_ads_server_has_nothing_for_it() -> None:
    apply(declaration(), fleet())
    assert [pulse.tier for pulse in selectors.pulses()] == ["edge"]


def test_the_same_declaration_again_changes_nothing() -> None:
    apply(fleet())
    assert apply(fleet()).observed == ()
    assert Entry.objects.filter(action="tier.observed").count() == 1


@pytest.mark.parametrize("part", ["upstreams", "routes", "objectives", "runbooks", "limits"])
def test_a_part_that_drives_is_refused_with_its_reason(part: str) -> None:
    with pytest.raises(Invalid, match=f"an observed tier is not driven: leave out {part}"):
        apply(fleet(**{part: []}))


def test_every_mistake_is_told_with_its_path() -> None:
    wrong = fleet(proxies=[{"name": "gw-1", "admin": "no port"}, {"name": "Big"}], mystery=1)
    with pytest.raises(Invalid) as refused:
        apply(declaration(), wrong)
    assert {path for path, _ in refused.value.errors} == {
        "tiers[1].proxies[0].admin",
        "tiers[1].proxies[1].name",
        "tiers[1].mystery",
    }


def test_proxies_that_prometheus_could_not_tell_apart_are_refused() -> None:
    twice = [{"name": "a", "series": "x"}, {"name": "b", "series": "x"}]
    with pytest.raises(Invalid, match="proxies with the same series: x"):
        apply(fleet(proxies=twice))


def test_a_driven_tier_does_not_become_an_observed_one() -> None:
    apply(declaration())
    with pytest.raises(Invalid, match="this tier is driven"):
        apply(fleet(name="edge"))


def test_an_observed_tier_does_not_become_a_driven_one() -> None:
    apply(fleet(name="edge"))
    with pytest.raises(Invalid, match="this tier is observed"):
        apply(declaration())
    assert not models.Revision.objects.exists()


def test_an_overlay_on_it_is_refused_with_the_reason() -> None:
    apply(fleet())
    with pytest.raises(NotDriven, match="is observed: Sluice watches it and changes nothing there"):
        services.lease(
            tier="storefront",
            target="route/shop/weights",
            owner="rollout/1",
            until=NOW + timedelta(minutes=1),
            by=BY,
            now=NOW,
        )


def test_a_split_of_it_is_refused_with_the_reason() -> None:
    apply(fleet())
    with pytest.raises(NotDriven):
        services.publish_split(
            tier="storefront", route="shop", weights={"a": 10000}, by=BY, reason="", now=NOW
        )


def test_a_rollout_that_names_a_route_of_it_is_told_why_not() -> None:
    apply(fleet())
    with pytest.raises(UnknownRoute, match="no declaration, overlay, rollout or runbook can act on it"):
        selectors.route("storefront/shop")


def test_a_runbooks_policy_for_it_is_refused_with_the_reason() -> None:
    apply(fleet())
    with pytest.raises(NotDriven):
        selectors.base("storefront")


def test_a_proxys_configuration_is_read_and_kept() -> None:
    apply(fleet())
    services.watch(admin=Dumps({"127.0.0.1:9901": dump("shop")}), now=NOW)
    first, second = observed.tier("storefront").proxies
    assert first.seen is not None
    assert [cluster.name for cluster in first.seen.clusters] == ["shop"]
    assert (first.read_at, first.trouble) == (NOW, "")
    assert (second.seen, second.read_at) == (None, None)
    assert second.trouble == "127.0.0.1:9902 does not answer"


def test_a_proxy_that_falls_silent_keeps_its_last_picture_and_says_why() -> None:
    apply(fleet())
    admin = Dumps({"127.0.0.1:9901": dump("shop")})
    services.watch(admin=admin, now=NOW)
    admin.dumps.clear()
    services.watch(admin=admin, now=NOW + timedelta(minutes=1))
    first = observed.tier("storefront").proxies[0]
    assert first.seen is not None
    assert (first.read_at, first.trouble) == (NOW, "127.0.0.1:9901 does not answer")


def test_an_answer_that_is_no_dump_is_trouble() -> None:
    apply(fleet())
    services.watch(admin=Dumps({"127.0.0.1:9901": {"hello": "world"}}), now=NOW)
    first = observed.tier("storefront").proxies[0]
    assert (first.seen, first.trouble) == (None, "it answers, but with no configuration dump")


def test_those_that_were_looked_at_longest_ago_come_first() -> None:
    many = [{"name": f"gw-{n}", "admin": f"127.0.0.1:{9000 + n}"} for n in range(7)]
    apply(fleet(proxies=many))
    admin = Dumps({f"127.0.0.1:{9000 + n}": dump("shop") for n in range(7)})
    services.watch(admin=admin, now=NOW)
    services.watch(admin=admin, now=NOW + timedelta(seconds=15))
    assert all(proxy.seen for proxy in observed.tier("storefront").proxies)


@pytest.mark.parametrize("proxies", [2, 90])
def test_a_large_fleet_costs_no_more_queries_than_a_small_one(
    proxies: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    addresses = [f"127.0.0.1:{9000 + n}" for n in range(proxies)]
    apply(fleet(proxies=[{"name": f"gw-{n}", "admin": each} for n, each in enumerate(addresses)]))
    admin = Dumps({each: dump(f"shop-{n}") for n, each in enumerate(addresses)})
    for tick in range(-(-proxies // services.observing.AT_ONCE)):
        services.watch(admin=admin, now=NOW + timedelta(seconds=15 * tick))
    with django_assert_num_queries(3):
        assert all(proxy.seen for proxy in observed.tier("storefront").proxies)
    with django_assert_num_queries(2):
        assert all(proxy.seen for row in observed.tiers() for proxy in row.proxies)


def test_another_admin_address_is_another_picture() -> None:
    apply(fleet())
    services.watch(admin=Dumps({"127.0.0.1:9901": dump("shop")}), now=NOW)
    apply(fleet(proxies=[{"name": "gw-1", "admin": "127.0.0.1:9999"}]))
    (only,) = observed.tier("storefront").proxies
    assert (only.admin, only.seen) == ("127.0.0.1:9999", None)


def test_what_the_proxies_do_not_have_alike_is_told() -> None:
    apply(fleet())
    dumps = {"127.0.0.1:9901": dump("shop", "pay"), "127.0.0.1:9902": dump("shop")}
    services.watch(admin=Dumps(dumps), now=NOW)
    (only,) = observed.tier("storefront").differences
    assert (only.kind, only.name, only.proxies, only.others) == ("cluster", "pay", ("gw-1",), ("gw-2",))


def test_statistics_that_are_not_the_default_ones_are_told() -> None:
    apply(fleet())
    bootstrap = {
        "stats_config": {
            "stats_tags": [{"tag_name": "cluster_name"}],
            "stats_matcher": {"inclusion_list": {}},
            "use_all_default_tags": False,
        }
    }
    kind = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"
    answer = {"configs": [{"@type": kind, "bootstrap": bootstrap}]}
    services.watch(admin=Dumps({"127.0.0.1:9901": answer}), now=NOW)
    assert observed.tier("storefront").bent == (
        "stats_tags gives labels of its own: cluster_name",
        "stats_matcher leaves series out",
        "use_all_default_tags is off, so that labels stay in the names",
    )


def test_its_series_are_found_by_its_labels_and_its_proxies() -> None:
    apply(fleet())
    assert observed.tier("storefront").watched.matchers == (
        'job="envoy"',
        r'instance=~"127\\.0\\.0\\.1:9901|gw-2:9901"',
    )


def test_to_forget_it_ends_the_watch_and_is_in_the_record() -> None:
    apply(fleet())
    call_command("observed", "storefront", forget=True, reason="moved", stdout=StringIO())
    assert observed.tiers() == []
    assert Entry.objects.get(action="tier.forgotten").reason == "moved"
    with pytest.raises(UnknownTier):
        observed.tier("storefront")


def test_the_command_shows_what_was_seen() -> None:
    apply(fleet())
    services.watch(admin=Dumps({"127.0.0.1:9901": dump("shop")}), now=NOW)
    out = StringIO()
    call_command("observed", "storefront", stdout=out)
    assert out.getvalue().splitlines() == [
        "tier storefront",
        "  proxy gw-1: read 2026-01-01 00:00:00 UTC",
        "    config dump: 0 listeners, 0 HTTP connection managers, 0 routes, 1 clusters",
        "  proxy gw-2: 127.0.0.1:9902 does not answer",
    ]


def test_the_command_refuses_a_tier_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="there is no observed tier nope"):
        call_command("observed", "nope")


def test_the_declaration_comes_back_as_it_was_written() -> None:
    apply(fleet())
    assert observed.tier("storefront").declared.declaration() == fleet()


def test_export_gives_it_back_and_a_plan_of_that_shows_no_difference(tmp_path: Path) -> None:
    apply(fleet())
    out, plan = StringIO(), StringIO()
    call_command("export", stdout=out)
    (tmp_path / "fleet.yaml").write_text(out.getvalue())
    call_command("apply", str(tmp_path / "fleet.yaml"), plan=True, stdout=plan)
    assert plan.getvalue().strip() == "no difference"


def test_a_plan_says_what_would_be_watched(tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(json.dumps({"tiers": [fleet()]}))
    plan = StringIO()
    call_command("apply", str(tmp_path / "fleet.json"), plan=True, stdout=plan)
    assert plan.getvalue().splitlines() == ["tier storefront: observed", "1 change"]
    assert observed.tiers() == []
