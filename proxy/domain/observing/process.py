"""What a bootstrap says of the process: admin interface, overload manager, statistics, control plane."""

from collections.abc import Mapping
from ipaddress import ip_address

from proxy.domain.observing.extensions import opened
from proxy.domain.observing.listeners import where
from proxy.domain.observing.node import Node
from proxy.domain.observing.seen import Admin, Overload, Stats, Trigger


def admin(node: Node) -> Admin | None:
    """The admin interface; None where none is opened."""
    if not node.get("address"):
        return None
    address, port, transport = where(node.get("address"))
    return Admin(address, port, exposed=transport == "tcp" and not _loopback(address))


def overload(node: Node) -> Overload | None:
    """The overload manager; None where none is written."""
    if not node:
        return None
    node.known("OverloadManager")
    return Overload(
        monitors=tuple(opened(each)[0].name for each in node.get("resource_monitors").items()),
        actions=_actions(node),
        shed_points=tuple(each.get("name").text() for each in node.get("loadshed_points").items()),
    )


def stats(bootstrap: Node) -> Stats:
    """How statistics are kept; Envoy's defaults where nothing is written."""
    config = bootstrap.get("stats_config").known("StatsConfig")
    matcher = config.get("stats_matcher")
    default_tags = config.get("use_all_default_tags").flag()
    return Stats(
        flush_interval=bootstrap.get("stats_flush_interval").seconds(),
        default_tags=default_tags is not False,
        own_tags=tuple(each.get("tag_name").text() for each in config.get("stats_tags").items()),
        narrowed=bool(matcher) and matcher.get("reject_all").flag() is not False,
        bucket_settings=sum(1 for _ in config.get("histogram_bucket_settings").items()),
        dispatcher=bootstrap.get("enable_dispatcher_stats").flag() is True,
        sinks=tuple(opened(each)[0].name for each in bootstrap.get("stats_sinks").items()),
    )


def control_plane(bootstrap: Node) -> tuple[str, ...]:
    """By what the configuration comes: `ads`, `lds`, `cds`; empty for one that is all static."""
    dynamic = bootstrap.get("dynamic_resources")
    return tuple(name for name in ("ads", "lds", "cds") if dynamic.get(f"{name}_config"))


def _actions(node: Node) -> Mapping[str, tuple[Trigger, ...]]:
    found: dict[str, tuple[Trigger, ...]] = {}
    for action in node.get("actions").items():
        triggers = tuple(_trigger(each) for each in action.get("triggers").items())
        found[action.get("name").text()] = triggers
    return found


def _trigger(node: Node) -> Trigger:
    scaled = node.get("scaled")
    threshold = scaled.get("scaling_threshold").number() if scaled else node.at("threshold", "value").number()
    return Trigger(node.get("name").text(), threshold, bool(scaled))


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
