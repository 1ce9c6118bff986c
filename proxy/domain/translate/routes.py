"""The route table: hosts, paths and conditions to what becomes of a request."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from proxy.domain import precedence
from proxy.domain.tier import Route, Tier, seconds
from proxy.domain.translate import (
    actions,
    filters,
    kinds,
    quotas,
    retries,
    splits,
    tables,
    transforming,
    uploads,
)
from proxy.domain.translate.matching import route_match
from proxy.domain.translate.tables import Made


@dataclass(frozen=True, slots=True)
class Shared:
    """What all routes of a tier need of it, found out once: there may be 10,000 routes."""

    tier: Tier
    filtered: filters.PerRoute
    order: splits.Order
    patience: uploads.Patience


def shared(tier: Tier) -> Shared:
    return Shared(tier, filters.per_route(tier), splits.order(tier), uploads.patience(tier))


def table(tier: Tier) -> dict[str, Any]:
    """One table a tier, under the tier's name; one virtual host a host."""
    name, hosts = {"@type": kinds.ROUTES, "name": tier.name}, list(virtual_hosts(tier))
    return {**name, "virtual_hosts": hosts, **beside_hosts(tier)}


def virtual_hosts(tier: Tier, only: Collection[str] | None = None) -> Iterator[dict[str, Any]]:
    """In the order in which the routes name their hosts; all, or some."""
    by_host: dict[str, list[Route]] = {}
    of_all = shared(tier)
    for route in tier.routes:
        for host in dict.fromkeys(route.hosts):
            if only is None or host in only:
                by_host.setdefault(host, []).append(route)
    yield from (_virtual_host(of_all, host, here) for host, here in by_host.items())


def beside_hosts(tier: Tier) -> dict[str, Any]:
    """What the table says of every host."""
    return {
        # The tier answers for its hosts on every port of a proxy.
        "ignore_port_in_host_matching": True,
        **transforming.joined(
            {"response_headers_to_remove": [retries.RETRIABLE]}, transforming.headers(tier)
        ),
        "most_specific_header_mutations_wins": True,
        **quotas.of_table(tier),
        # References are checked before serving; Envoy cannot, where clusters come from CDS.
        "validate_clusters": False,
    }


def _virtual_host(of_all: Shared, host: str, here: list[Route]) -> dict[str, Any]:
    return {
        "name": host,
        "domains": [host],
        # Else a client without a certificate would come in by the plain port.
        **({"require_tls": "ALL"} if of_all.tier.tls.requires_client_certificate else {}),
        # The router's log has no attempt number of its own; this request header is where it is read from.
        "include_request_attempt_count": True,
        **tables.held(made(of_all, here)),
    }


def made(of_all: Shared, here: Iterable[Route]) -> list[Made]:
    """The routes of one host in the order of trying, with Envoy's for each."""
    return [Made(route, _routes(of_all, route)) for route in precedence.in_order(here)]


def _routes(of_all: Shared, route: Route) -> list[dict[str, Any]]:
    """Envoy's routes for one of the tier's, in the order of trying."""
    own = of_all.filtered(route)
    filtered = {"typed_per_filter_config": own} if own else {}
    common = {"name": route.name, **filtered, **transforming.headers(route)}
    if route.redirect is not None:
        to = {"redirect": actions.redirect(route.match, route.redirect)}
        return [{**common, "match": route_match(route.match), **to}]
    if route.direct_response is not None:
        answer = actions.direct_response(route.direct_response)
        return [{**common, "match": route_match(route.match), **answer}]
    passed = _passed_on(of_all, route)
    return [
        {
            **transforming.joined(common, way.beside),
            "match": route_match(route.match, *way.conditions),
            "route": {"timeout": seconds(route.timeout), **way.to, **passed},
        }
        for way in splits.ways(of_all.order, route)
    ]


def _passed_on(of_all: Shared, route: Route) -> dict[str, Any]:
    """What becomes of every request that goes to an upstream, whichever it is."""
    return {
        "retry_policy": retries.policy(route),
        **_idle(of_all.tier, route),
        **uploads.of_route(of_all.patience, route),
        **({"upgrade_configs": [{"upgrade_type": kind} for kind in route.upgrade]} if route.upgrade else {}),
        **actions.rewrites(route),
        **quotas.of_route(route),
    }


def _idle(tier: Tier, route: Route) -> dict[str, Any]:
    """Where it is not the tier's: that would cut an answer before the route's own `timeout` does, and an
    attempt cut so looks like one whose client left.
    """
    usual = tier.limits.stream_idle_timeout
    idle = route.idle_timeout or max(usual, route.timeout)
    return {"idle_timeout": seconds(idle)} if idle != usual else {}
