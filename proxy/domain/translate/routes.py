"""The route table: hosts, paths and conditions to what becomes of a request."""

from collections.abc import Iterable
from typing import Any

from proxy.domain import precedence
from proxy.domain.tier import Route, Tier, seconds
from proxy.domain.translate import actions, filters, kinds, quotas, retries, splits, tables, transforming
from proxy.domain.translate.matching import route_match
from proxy.domain.translate.tables import Made


def table(tier: Tier) -> dict[str, Any]:
    """One table a tier, under the tier's name; one virtual host a host."""
    by_host: dict[str, list[Route]] = {}
    filtered = filters.per_route(tier)
    for route in tier.routes:
        for host in dict.fromkeys(route.hosts):
            by_host.setdefault(host, []).append(route)
    return {
        "@type": kinds.ROUTES,
        "name": tier.name,
        "virtual_hosts": [_virtual_host(tier, host, here, filtered) for host, here in by_host.items()],
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


def _virtual_host(tier: Tier, host: str, here: list[Route], filtered: filters.PerRoute) -> dict[str, Any]:
    return {
        "name": host,
        "domains": [host],
        # Else a client without a certificate would come in by the plain port.
        **({"require_tls": "ALL"} if tier.tls.requires_client_certificate else {}),
        # The router's log has no attempt number of its own; this request header is where it is read from.
        "include_request_attempt_count": True,
        **tables.held(made(tier, here, filtered)),
    }


def made(tier: Tier, here: Iterable[Route], filtered: filters.PerRoute) -> list[Made]:
    """The routes of one host in the order of trying, with Envoy's for each."""
    return [Made(route, _routes(tier, route, filtered(route))) for route in precedence.in_order(here)]


def _routes(tier: Tier, route: Route, own: dict[str, Any]) -> list[dict[str, Any]]:
    """Envoy's routes for one of the tier's, in the order of trying; `own` is its part in the filters."""
    filtered = {"typed_per_filter_config": own} if own else {}
    common = {"name": route.name, **filtered, **transforming.headers(route)}
    if route.redirect is not None:
        to = {"redirect": actions.redirect(route.match, route.redirect)}
        return [{**common, "match": route_match(route.match), **to}]
    if route.direct_response is not None:
        answer = actions.direct_response(route.direct_response)
        return [{**common, "match": route_match(route.match), **answer}]
    passed = _passed_on(route)
    return [
        {
            **transforming.joined(common, way.beside),
            "match": route_match(route.match, *way.conditions),
            "route": {"timeout": seconds(route.timeout), **way.to, **passed},
        }
        for way in splits.ways(tier, route)
    ]


def _passed_on(route: Route) -> dict[str, Any]:
    """What becomes of every request that goes to an upstream, whichever it is."""
    return {"retry_policy": retries.policy(route), **actions.rewrites(route), **quotas.of_route(route)}
