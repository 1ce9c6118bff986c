"""The API of tiers and routes: what they should be, what each proxy acknowledged, what was measured."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Field, Query, Router, Schema

from access.permission import ApiRequest
from access.problem import Problem
from access.schema import Request
from proxy import observed, selectors
from proxy.domain.errors import UnknownRoute, UnknownTier
from proxy.domain.figures import route_document, tier_document
from proxy.domain.observing import document
from proxy.domain.observing.comparing import Difference
from proxy.domain.safety import Risk
from proxy.domain.tier import Route
from proxy.domain.worth import observation_document
from proxy.observed import ObservedRow
from proxy.selectors import OverlayRow, ProxyRow, RouteRow, TierRow
from telemetry import ports
from telemetry import selectors as telemetry
from telemetry.domain.errors import MetricsError
from telemetry.observation import observe

router = Router(tags=["tiers"])


class WindowIn(Request):
    """What the figures are over."""

    window_seconds: int = Field(60, ge=5, le=3600)


class ProxyOut(Schema):
    """One proxy: its connection, what it acknowledged, and what it refused why."""

    name: str
    address: str
    http_port: int
    https_port: int
    admin_port: int
    admin_tls_port: int | None
    connected: bool
    connected_at: Any
    connected_to: str
    identity_ends_at: Any
    last_seen: Any
    acked_generation: int
    acked_at: Any
    up_to_date: bool
    nack: dict[str, Any] | None
    drift: list[str]
    read_at: Any
    trouble: str

    @classmethod
    def of(cls, row: ProxyRow, generation: int) -> "ProxyOut":
        nack = {
            "generation": row.nack_generation,
            "type": row.nack_type,
            "reason": row.nack_reason,
            "at": row.nack_at,
        }
        return cls(
            name=row.name,
            address=row.address,
            http_port=row.http_port,
            https_port=row.https_port,
            admin_port=row.admin_port,
            admin_tls_port=row.admin_tls_port,
            connected=row.connected,
            connected_at=row.connected_at,
            connected_to=row.connected_to,
            identity_ends_at=row.identity_ends_at,
            last_seen=row.last_seen,
            acked_generation=row.acked_generation,
            acked_at=row.acked_at,
            up_to_date=row.acked_generation >= generation,
            nack=nack if row.refuses else None,
            drift=list(row.drift),
            read_at=row.read_at,
            trouble=row.trouble,
        )


class TierOut(Schema):
    """A tier: `generation` is what its proxies should run, `less_safe` where defaults were left.

    `troubles` is what stricter rules or a later Sluice's keys make of its newest revision.
    """

    id: int
    name: str
    generation: int
    revision: int
    proxies: list[ProxyOut]
    overlays: list[OverlayRow]
    less_safe: list[Risk]
    troubles: list[str]


class RouteOut(Schema):
    """A route: `split` is its base and `live` what is served now, in basis points.

    `match` says in words what it takes besides the hosts (all must hold), `does` what becomes of a request
    before the weights and beside them.
    """

    id: int
    tier: str
    name: str
    hosts: list[str]
    prefix: str
    match: list[str]
    does: list[str]
    split: dict[str, int]
    live: dict[str, int]


@router.get("/tiers", response=list[TierOut])
def tiers(request: ApiRequest) -> list[TierOut]:
    """Every tier."""
    return [_tier_out(row) for row in selectors.tiers()]


@router.get("/tiers/{tier}", response=TierOut)
def tier(request: ApiRequest, tier: str) -> TierOut:
    """One tier: its proxies, their connection, the generation that each acknowledged, refusals."""
    return _tier_out(_tier(tier))


@router.get("/tiers/{tier}/indicators")
def tier_indicators(request: ApiRequest, tier: str, asked: Query[WindowIn]) -> dict[str, Any]:
    """TLS, saturation, retry budgets, added latency and 5xx by originator. null is no data."""
    _tier(tier)
    try:
        seen = telemetry.tier_indicators(
            ports.from_settings(),
            tier=tier,
            at=timezone.now(),
            window=timedelta(seconds=asked.window_seconds),
        )
    except MetricsError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Prometheus: {error.message}") from error
    return tier_document(seen)


@router.get("/routes", response=list[RouteOut])
def routes(request: ApiRequest, tier: str = "") -> list[RouteOut]:
    """Routes of one tier or of all."""
    names = [tier] if tier else [row.name for row in selectors.tiers()]
    found = []
    for name in names:
        _tier(name)
        live = selectors.desired(name, now=timezone.now())
        by_name = {route.name: route for route in live.routes}
        found += [_route_out(row, by_name.get(row.name)) for row in selectors.routes(name)]
    return found


@router.get("/routes/{route}", response=RouteOut)
def route(request: ApiRequest, route: str) -> RouteOut:
    """One route, by number or name."""
    row = _route(route)
    return _route_out(row, selectors.desired(row.tier, now=timezone.now()).route(row.name))


@router.get("/routes/{route}/indicators")
def route_indicators(request: ApiRequest, route: str, asked: Query[WindowIn]) -> dict[str, Any]:
    """Added latency, 5xx by originator with reasons, first attempts by upstream, retries. null is no data."""
    row = _route(route)
    window = timedelta(seconds=asked.window_seconds)
    now = timezone.now()
    try:
        seen = telemetry.route_indicators(ports.from_settings(), tier=row.tier, at=now, window=window)
    except MetricsError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Prometheus: {error.message}") from error
    return route_document(seen.get(row.name), tier=row.tier, route=row.name, at=now, window=window)


def _tier(name: str) -> TierRow:
    try:
        return selectors.tier(name)
    except UnknownTier as error:
        errors = [{"field": "tier", "message": str(error)}]
        raise Problem(HTTPStatus.NOT_FOUND, str(error), errors=errors) from error


def _route(which: str) -> RouteRow:
    try:
        return selectors.route(which)
    except UnknownRoute as error:
        errors = [{"field": "route", "message": str(error)}]
        raise Problem(HTTPStatus.NOT_FOUND, str(error), errors=errors) from error


def _tier_out(row: TierRow) -> TierOut:
    return TierOut(
        id=row.id,
        name=row.name,
        generation=row.generation,
        revision=row.revision,
        proxies=[ProxyOut.of(each, row.generation) for each in row.proxies],
        overlays=selectors.live_overlays(row.name, now=timezone.now()),
        less_safe=list(selectors.risks(row.name)),
        troubles=list(selectors.served(row.name, now=timezone.now()).troubles),
    )


def _route_out(row: RouteRow, live: Route | None) -> RouteOut:
    return RouteOut(
        id=row.id,
        tier=row.tier,
        name=row.name,
        hosts=list(row.hosts),
        prefix=row.prefix,
        match=list(live.match.words) if live else [],
        does=list(live.does) if live else [],
        split=row.split,
        live=live.split if live else row.split,
    )


class ObservedProxyOut(Schema):
    """One Envoy of an observed tier; `seen` is what its configuration was last read as, null before that."""

    name: str
    series: str
    admin: str
    read_at: Any
    trouble: str
    seen: dict[str, Any] | None


class ObservedOut(Schema):
    """A tier that is watched and not driven, and what its proxies do not have alike."""

    name: str
    declared_at: Any
    differences: list[Difference]
    proxies: list[ObservedProxyOut]


@router.get("/observed", response=list[ObservedOut])
def observed_tiers(request: ApiRequest) -> list[ObservedOut]:
    """Every observed tier."""
    return [_observed_out(row) for row in observed.tiers()]


@router.get("/observed/{tier}", response=ObservedOut)
def observed_tier(request: ApiRequest, tier: str) -> ObservedOut:
    """One observed tier, with the configuration that each of its proxies was seen to run."""
    return _observed_out(_observed(tier))


@router.get("/observed/{tier}/indicators")
def observed_indicators(request: ApiRequest, tier: str, asked: Query[WindowIn]) -> dict[str, Any]:
    """Its figures, each with its worth: exact, approximate and why, unavailable and what to add."""
    row = _observed(tier)
    window = timedelta(seconds=asked.window_seconds)
    try:
        seen = observe(ports.from_settings(), watched=row.watched, at=timezone.now(), window=window)
    except MetricsError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Prometheus: {error.message}") from error
    return observation_document(row.name, seen)


def _observed(name: str) -> ObservedRow:
    try:
        return observed.tier(name)
    except UnknownTier as error:
        errors = [{"field": "tier", "message": str(error)}]
        raise Problem(HTTPStatus.NOT_FOUND, str(error), errors=errors) from error


def _observed_out(row: ObservedRow) -> ObservedOut:
    proxies = [
        ObservedProxyOut(
            name=proxy.name,
            series=proxy.label,
            admin=proxy.admin,
            read_at=proxy.read_at,
            trouble=proxy.trouble,
            seen=document(proxy.seen) if proxy.seen else None,
        )
        for proxy in row.proxies
    ]
    return ObservedOut(
        name=row.name, declared_at=row.declared_at, differences=list(row.differences), proxies=proxies
    )
