"""The API of upstreams' endpoints and of draining: what registries push, and what people take out of use."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from ninja import Field, Query, Router, Schema

import proxy.ports
from access.permission import ApiRequest, operates
from access.problem import Problem
from access.schema import Because, Request
from proxy import registry, selectors, services
from proxy.domain.errors import Invalid, TargetTaken, UnknownTarget, UnknownTier, UnknownUpstream
from proxy.domain.tier import Endpoint

router = Router(tags=["fleet"])


class EndpointOut(Schema):
    """One backend instance; a drained one gets no new requests."""

    label: str
    address: str
    port: int
    weight: int
    zone: str | None
    drained: bool


class UpstreamOut(Schema):
    """An upstream: `pushed_at` is when its registry last said anything, null where it never did."""

    id: int
    tier: str
    name: str
    protocol: str
    discovery: str
    endpoints: list[EndpointOut]
    pushed_at: datetime | None
    pushed_by: str | None


class OfTier(Request):
    """Which tier is meant, where the name stands in several."""

    tier: str | None = None


class EndpointsIn(Request):
    """All endpoints of the upstream. `force` is for an empty list, which takes it off."""

    endpoints: list[Any]
    force: bool = False


class PushedOut(Schema):
    """The generation that serves them: `GET tiers/{tier}` tells which proxies have acknowledged it."""

    tier: str
    upstream: str
    generation: int


class DrainIn(Because):
    """Why, and for how long at most."""

    minutes: int = Field(60, ge=1, le=7 * 24 * 60)


@router.get("/upstreams", response=list[UpstreamOut])
def upstreams(request: ApiRequest, asked: Query[OfTier]) -> list[UpstreamOut]:
    """Upstreams of one tier or of all, with their endpoints as they are now."""
    names = [asked.tier] if asked.tier else [row.name for row in selectors.tiers()]
    with _told():
        return [each for name in names for each in _upstreams(name)]


@router.put("/upstreams/{upstream}/endpoints", response=PushedOut, auth=operates)
def put_endpoints(request: ApiRequest, upstream: str, given: EndpointsIn, asked: Query[OfTier]) -> PushedOut:
    """From a service registry: these are the endpoints now. Pushing them again says that it lives."""
    with _told():
        row = registry.upstream(upstream, asked.tier)
        generation = services.register(
            tier=row.tier,
            upstream=row.name,
            endpoints=given.endpoints,
            by=request.auth,
            now=timezone.now(),
            force=given.force,
        )
    return PushedOut(tier=row.tier, upstream=row.name, generation=generation)


@router.post("/upstreams/{upstream}/endpoints/{endpoint}/drain", response=PushedOut, auth=operates)
def drain_endpoint(
    request: ApiRequest, upstream: str, endpoint: str, given: DrainIn, asked: Query[OfTier]
) -> PushedOut:
    """No new requests for the endpoint (by its label); it ends by itself."""
    now = timezone.now()
    with _told():
        row = registry.upstream(upstream, asked.tier)
        generation = services.drain_endpoint(
            tier=row.tier,
            upstream=row.name,
            endpoint=endpoint,
            until=now + timedelta(minutes=given.minutes),
            by=request.auth,
            reason=given.reason,
            now=now,
        )
    return PushedOut(tier=row.tier, upstream=row.name, generation=generation)


@router.post("/upstreams/{upstream}/endpoints/{endpoint}/undrain", response=PushedOut, auth=operates)
def undrain_endpoint(
    request: ApiRequest, upstream: str, endpoint: str, given: Because, asked: Query[OfTier]
) -> PushedOut:
    """Requests for the endpoint again."""
    with _told():
        row = registry.upstream(upstream, asked.tier)
        generation = services.undrain_endpoint(
            tier=row.tier,
            upstream=row.name,
            endpoint=endpoint,
            by=request.auth,
            reason=given.reason,
            now=timezone.now(),
        )
    return PushedOut(tier=row.tier, upstream=row.name, generation=generation)


@router.post("/tiers/{tier}/proxies/{name}/drain", auth=operates)
def drain_proxy(request: ApiRequest, tier: str, name: str, given: DrainIn) -> dict[str, Any]:
    """The proxy fails its health checks and closes connections gently; it ends by itself."""
    now = timezone.now()
    with _told():
        generation = services.drain_proxy(
            tier=tier,
            proxy=name,
            until=now + timedelta(minutes=given.minutes),
            by=request.auth,
            reason=given.reason,
            now=now,
        )
    services.settle_drains(admin=proxy.ports.from_settings(), now=now, only=name)
    return {"tier": tier, "proxy": name, "generation": generation}


@router.post("/tiers/{tier}/proxies/{name}/undrain", auth=operates)
def undrain_proxy(request: ApiRequest, tier: str, name: str, given: Because) -> dict[str, Any]:
    """The proxy passes its health checks again."""
    now = timezone.now()
    with _told():
        generation = services.undrain_proxy(
            tier=tier, proxy=name, by=request.auth, reason=given.reason, now=now
        )
    services.settle_drains(admin=proxy.ports.from_settings(), now=now, only=name)
    return {"tier": tier, "proxy": name, "generation": generation}


def _upstreams(tier: str) -> Iterator[UpstreamOut]:
    served = selectors.served(tier, now=timezone.now())
    pushed = registry.registrations(tier)
    for row in registry.upstreams(tier):
        declared, live = served.base.upstream(row.name), served.live.upstream(row.name)
        if declared is None or live is None:
            continue
        last = pushed.get(row.name)
        kept = {each.label for each in live.endpoints}
        yield UpstreamOut(
            id=row.id,
            tier=tier,
            name=row.name,
            protocol=declared.protocol,
            discovery=declared.discovery,
            endpoints=[_endpoint(each, kept) for each in declared.endpoints],
            pushed_at=last.pushed_at if last else None,
            pushed_by=last.by if last else None,
        )


def _endpoint(endpoint: Endpoint, kept: set[str]) -> EndpointOut:
    return EndpointOut(
        label=endpoint.label,
        address=endpoint.address,
        port=endpoint.port,
        weight=endpoint.weight,
        zone=endpoint.zone,
        drained=endpoint.label not in kept,
    )


@contextmanager
def _told() -> Iterator[None]:
    """What the services refuse, as problem documents."""
    try:
        yield
    except (UnknownTier, UnknownUpstream, UnknownTarget) as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except TargetTaken as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    except Invalid as error:
        errors = [{"field": path, "message": message} for path, message in error.errors]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors) from error
