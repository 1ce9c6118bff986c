"""What is read from another's configuration, by examples of every shape that was met in public ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.domain import observing
from proxy.domain.observing.seen import Retry, Seen
from proxy.domain.translate import routes, tables
from tests.proxy.factories import tier

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
V3 = "type.googleapis.com/envoy.admin.v3"


@pytest.fixture
def foreign() -> Seen:
    return observing.read_text((Path(__file__).parent / "foreign.yaml").read_text())


def notes(seen: Seen) -> list[str]:
    return [note.what for note in seen.notes]


def test_a_bootstrap_is_read_without_anything_left_open(foreign: Seen) -> None:
    assert foreign.source == "bootstrap"
    assert (foreign.node, foreign.cluster, foreign.control_plane) == ("gw-1", "storefront", ())
    assert foreign.notes == ()


def test_routes_bear_hosts_match_arms_and_times(foreign: Seen) -> None:
    pay = foreign.routes[0]
    assert (pay.name, pay.hosts, pay.arms, pay.timeout, pay.sticky) == (
        "pay",
        ("shop.test",),
        {"payments": 1.0},
        0.5,
        True,
    )
    assert (pay.match.form, pay.match.path, pay.match.conditions) == (
        "path_separated_prefix",
        "/pay",
        ("headers",),
    )


def test_weights_are_read_as_written(foreign: Seen) -> None:
    assert foreign.routes[-1].arms == {"shop": 100.0, "payments": 0.0}


def test_a_route_without_a_retry_policy_has_its_virtual_hosts(foreign: Seen) -> None:
    assert foreign.routes[0].retry == Retry(
        ("connect-failure", "reset"), 1.0, None, None, None, False, False, False
    )
    assert foreign.routes[1].retry is not None
    assert foreign.routes[1].retry.retry_on == ("5xx",)


def test_actions_other_than_forwarding_are_told_apart(foreign: Seen) -> None:
    assert [route.action for route in foreign.routes] == [
        "route",
        "route",
        "redirect",
        "direct_response",
        "route",
    ]


def test_clusters_bear_protocol_breakers_outliers_and_tls(foreign: Seen) -> None:
    shop, payments = foreign.clusters
    assert (shop.protocol, payments.protocol) == ("http1", "http2")
    assert shop.thresholds[0].budget_percent == 25
    assert shop.thresholds[0].max_requests is None
    assert shop.outlier_detection == {
        "consecutive_5xx": 7.0,
        "max_ejection_percent": 34.0,
        "base_ejection_time": 30.0,
    }
    assert shop.tls is None
    assert payments.tls is not None
    assert (payments.tls.sni, payments.tls.verifies) == ("payments.test", False)
    assert payments.limits == {"max_requests_per_connection": 1000.0}


def test_the_process_is_read(foreign: Seen) -> None:
    assert foreign.admin is not None
    assert foreign.admin.exposed is False
    assert foreign.overload is not None
    assert foreign.overload.monitors == ("envoy.resource_monitors.fixed_heap",)
    assert foreign.stats is not None
    assert (foreign.stats.flush_interval, foreign.stats.default_tags) == (1.0, True)


def test_timeouts_that_are_not_written_are_absent_and_not_zero(foreign: Seen) -> None:
    assert foreign.managers[0].timeouts == {"request_headers_timeout": 5.0, "idle_timeout": 60.0}
    assert foreign.managers[0].limits == {"max_concurrent_streams": 100.0}


def test_an_admin_interface_past_the_loopback_is_exposed() -> None:
    seen = observing.read(
        {"admin": {"address": {"socketAddress": {"address": "192.0.2.7", "portValue": 9901}}}}
    )
    assert seen.admin is not None
    assert (seen.admin.port, seen.admin.exposed) == (9901, True)


def test_keys_in_the_way_of_go_tools_are_the_same_keys() -> None:
    seen = observing.read(
        {
            "configs": [
                {
                    "@type": f"{V3}.ClustersConfigDump",
                    "dynamicActiveClusters": [
                        {"cluster": {"name": "a", "connectTimeout": "1s", "circuitBreakers": {}}}
                    ],
                }
            ]
        }
    )
    assert seen.clusters[0].connect_timeout == 1.0
    assert seen.notes == ()


def test_warming_draining_and_refused_parts_are_told() -> None:
    listener = {"name": "l", "address": {"pipe": {"path": "/run/e.sock"}}}
    seen = observing.read(
        {
            "configs": [
                {
                    "@type": f"{V3}.ListenersConfigDump",
                    "dynamic_listeners": [
                        {
                            "name": "l",
                            "active_state": {"listener": listener},
                            "warming_state": {"listener": listener},
                            "error_state": {
                                "details": "no such filter",
                                "last_update_attempt": "2026-01-01T00:00:00Z",
                            },
                        }
                    ],
                },
                {
                    "@type": f"{V3}.ClustersConfigDump",
                    "dynamic_warming_clusters": [{"cluster": {"name": "w"}, "error_state": {"details": "x"}}],
                },
                {"@type": f"{V3}.EcdsConfigDump", "ecds_filters": [{"error_state": {"details": "late"}}]},
            ]
        }
    )
    assert [(each.name, each.state, each.transport) for each in seen.listeners] == [
        ("l", "active", "pipe"),
        ("l", "warming", "pipe"),
    ]
    assert [(each.kind, each.name, each.reason) for each in seen.refusals] == [
        ("listener", "l", "no such filter"),
        ("cluster", "w", "x"),
        ("filter", "", "late"),
    ]
    assert seen.clusters[0].state == "warming"


def test_scoped_routes_and_endpoints_by_discovery_are_joined() -> None:
    manager = {"@type": HCM, "stat_prefix": "s", "scoped_routes": {"name": "scopes"}}
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    ends = {"cluster_name": "c", "endpoints": [{"lb_endpoints": [{}, {}]}]}
    seen = observing.read(
        [
            {"@type": f"{V3}.ScopedRoutesConfigDump", "dynamic_scoped_route_configs": [{"name": "scopes"}]},
            {
                "@type": f"{V3}.ListenersConfigDump",
                "static_listeners": [{"listener": {"name": "l", "filter_chains": [chain]}}],
            },
            {
                "@type": f"{V3}.ClustersConfigDump",
                "dynamic_active_clusters": [
                    {"cluster": {"name": "c", "type": "EDS"}},
                    {"cluster": {"name": "d", "type": "EDS"}},
                ],
            },
            {
                "@type": f"{V3}.EndpointsConfigDump",
                "dynamic_endpoint_configs": [{"endpoint_config": ends}],
            },
        ]
    )
    assert seen.managers[0].scoped
    assert [each.endpoints for each in seen.clusters] == [2, None]


def test_an_envoy_of_before_v3_is_read() -> None:
    seen = observing.read(
        {
            "static_resources": {
                "clusters": [
                    {
                        "name": "old",
                        "hosts": [{}, {}],
                        "tls_context": {"sni": "a"},
                        "http2_protocol_options": {},
                    }
                ],
                "listeners": [
                    {
                        "name": "old",
                        "filter_chains": [
                            {
                                "filters": [
                                    {
                                        "name": "envoy.http_connection_manager",
                                        "config": {
                                            "stat_prefix": "in",
                                            "route_config": {"virtual_hosts": []},
                                        },
                                    }
                                ]
                            }
                        ],
                    }
                ],
            }
        }
    )
    assert (seen.clusters[0].endpoints, seen.clusters[0].protocol) == (2, "http2")
    assert seen.managers[0].stat_prefix == "in"
    assert "Cluster has a field that Envoy 1.40 does not know: hosts" in notes(seen)


def test_listeners_of_before_they_had_states_of_their_own_are_read() -> None:
    kind = "type.googleapis.com/envoy.admin.v2alpha"
    seen = observing.read(
        {
            "configs": [
                {
                    "@type": f"{kind}.BootstrapConfigDump",
                    "bootstrap": {"node": {"build_version": "cb503f/1.11.0-dev/Clean/RELEASE/BoringSSL"}},
                },
                {
                    "@type": f"{kind}.ListenersConfigDump",
                    "dynamic_active_listeners": [{"listener": {"name": "a"}}],
                    "dynamic_draining_listeners": [{"listener": {"name": "d"}}],
                },
            ]
        }
    )
    assert seen.version == "1.11.0-dev"
    assert [(each.name, each.state) for each in seen.listeners] == [("a", "active"), ("d", "draining")]


@pytest.mark.parametrize(
    ("extension", "note"),
    [
        (
            {"name": "istio.stats", "typed_config": {"@type": "type.googleapis.com/stats.PluginConfig"}},
            "istio.stats is a vendor's extension (stats.PluginConfig)",
        ),
        (
            {
                "name": "peer",
                "typed_config": {
                    "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
                    "type_url": "type.googleapis.com/io.solo.Transformation",
                    "value": {},
                },
            },
            "peer is a vendor's extension (io.solo.Transformation)",
        ),
        ({"name": "acme"}, "acme is a vendor's extension, or one of an older Envoy"),
        (
            {
                "name": "mine",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"},
            },
            "mine runs a program, which no configuration describes",
        ),
    ],
)
def test_what_cannot_be_understood_is_named(extension: object, note: str) -> None:
    chain = {
        "filters": [{"name": "h", "typed_config": {"@type": HCM, "http_filters": [extension]}}],
    }
    seen = observing.read({"static_resources": {"listeners": [{"name": "l", "filter_chains": [chain]}]}})
    assert notes(seen) == [note]
    assert seen.managers[0].filters[0].name == extension["name"]  # type: ignore[index]  # a mapping, above


def test_a_field_of_a_newer_envoy_is_named() -> None:
    seen = observing.read({"static_resources": {"clusters": [{"name": "c", "quantumBudget": 5}]}})
    assert notes(seen) == ["Cluster has a field that Envoy 1.40 does not know: quantum_budget"]


def test_a_kind_of_part_that_is_unknown_is_named_and_the_rest_is_read() -> None:
    seen = observing.read(
        {
            "configs": [
                {"@type": f"{V3}.QuantumConfigDump", "states": []},
                {"@type": f"{V3}.ClustersConfigDump", "static_clusters": [{"cluster": {"name": "c"}}]},
            ]
        }
    )
    assert [each.name for each in seen.clusters] == ["c"]
    assert notes(seen) == ["a part of a kind that is not read: QuantumConfigDump"]


def test_the_same_thing_in_many_places_is_one_note() -> None:
    clusters = [{"name": f"c{number}", "mystery": 1} for number in range(1000)]
    seen = observing.read({"static_resources": {"clusters": clusters}})
    assert [(note.times, note.path) for note in seen.notes] == [(1000, "static_resources.clusters[c0]")]


def test_one_message_where_a_list_belongs_is_a_list_of_one() -> None:
    seen = observing.read({"static_resources": {"clusters": {"name": "only"}}})
    assert [each.name for each in seen.clusters] == ["only"]


@pytest.mark.parametrize("text", ["", "{", "[[[", "a: b: c", "{{ .Values.x }}", "7", "null", "[" * 100_000])
def test_what_is_no_configuration_is_seen_as_nothing(text: str) -> None:
    assert observing.read_text(text).source == "nothing"


def test_a_text_that_no_database_takes_is_cleaned() -> None:
    seen = observing.read_text('{"static_resources": {"clusters": [{"name": "a\\u0000b\\ud800"}]}}')
    assert seen.clusters[0].name == "ab?"


def test_the_routes_of_a_matcher_tree_are_read_once_each_as_those_of_a_list() -> None:
    many = [
        {"name": f"r{number}", "hosts": ["a.test"], "prefix": f"/p/{number}", "upstream": "shop-v1"}
        for number in range(tables.LONGEST_LIST)
    ]
    root = {"name": "root", "hosts": ["a.test"], "upstream": "shop-v2"}
    made = routes.made(routes.shared(tier()), tier(routes=[*many, root]).routes)

    def read(form: dict[str, Any]) -> Seen:
        manager = {"@type": HCM, "route_config": {"virtual_hosts": [{"name": "a", "domains": ["*"], **form}]}}
        chains = [{"filters": [{"name": "hcm", "typed_config": manager}]}]
        return observing.read_text(
            json.dumps({"static_resources": {"listeners": [{"filter_chains": chains}]}})
        )

    by_list, by_tree = read(tables.as_list(made)), read(tables.as_tree(made))
    assert sorted(by_tree.routes, key=str) == sorted(by_list.routes, key=str)
    assert len(by_list.routes) == len(many) + 1
    assert by_tree.notes == by_list.notes
