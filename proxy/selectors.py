"""Describes the tier: frozen rows for pages and API, and what should be served at a moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Min

from proxy import bases, models, observed, registry
from proxy.domain import resolution, safety
from proxy.domain.errors import ProxyError, UnknownRoute
from proxy.domain.identity import admin_host
from proxy.domain.patches import apply_patches
from proxy.domain.registry import with_registered
from proxy.domain.resolution import Cost
from proxy.domain.safety import Risk
from proxy.domain.tier import Tier
from proxy.domain.translate import kinds

BEAR_WEIGHTS = (kinds.SPOKEN[kinds.RUNTIME], kinds.SPOKEN[kinds.ROUTES])
"""The kinds of resources whose refusal is one of a change of weights."""
KEY_DIGITS = 18
"""So many digits a row's number has at most; a longer one is no number of a row, and no database takes it."""


@dataclass(frozen=True, slots=True)
class ProxyRow:
    """One proxy: what it acknowledged, refused, and where what it runs differs from what it should."""

    id: int
    tier: str
    name: str
    address: str
    http_port: int
    https_port: int
    admin_port: int
    admin_tls_port: int | None
    connected_at: datetime | None
    connected_to: str
    identity_ends_at: datetime | None
    last_seen: datetime | None
    acked_generation: int
    acked_at: datetime | None
    weights_generation: int
    nack_generation: int
    nack_type: str
    nack_reason: str
    nack_at: datetime | None
    drift: tuple[str, ...]
    read_at: datetime | None
    trouble: str

    @property
    def connected(self) -> bool:
        return self.connected_at is not None

    @property
    def refuses(self) -> bool:
        """Whether its last word on what is served was a refusal."""
        return self.nack_generation > self.acked_generation

    @property
    def admin_address(self) -> str:
        """What the ports of `proxy.ports` take."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        if self.admin_tls_port is None:
            return f"{host}:{self.admin_port}"
        return f"{admin_host(self.tier, self.name)}@{host}:{self.admin_tls_port}"


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier with its proxies."""

    id: int
    name: str
    generation: int
    revision: int
    proxies: tuple[ProxyRow, ...]


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route; `split` is its base in basis points, in the order of the declared upstreams."""

    id: int
    tier: str
    name: str
    hosts: tuple[str, ...]
    prefix: str
    split: dict[str, int]


@dataclass(frozen=True, slots=True)
class OverlayRow:
    """An overlay with its target string."""

    tier: str
    target: str
    owner: str
    patch: dict[str, Any]
    fence: int
    generation: int
    reason: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TargetRow:
    """Who holds a target, and the lowest fence that may still act on it."""

    tier: str
    name: str
    owner: str
    fence: int
    fence_floor: int
    leased_until: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Which proxies acknowledged a generation or a later one, and who refused it why."""

    generation: int
    acked: dict[str, bool]
    nacks: dict[str, str]

    @classmethod
    def of(cls, generation: int, acked: Mapping[str, bool], proxies: Iterable[ProxyRow]) -> "Progress":
        """`proxies` are those whose refusals count; one that acknowledged refuses no more."""
        nacks = {
            proxy.name: proxy.nack_reason
            for proxy in proxies
            if proxy.nack_generation >= generation and not acked[proxy.name]
        }
        return cls(generation, dict(acked), nacks)

    @property
    def complete(self) -> bool:
        return bool(self.acked) and all(self.acked.values())


@dataclass(frozen=True, slots=True)
class Served:
    """What a tier's proxies should run: the base, the overlays that were live when it was read, and both
    joined.

    `behind`: the newest revision is not understood, and the proxies may have it. Not `whole`: neither is any
    before it, and this is not to be served. `troubles`: what people should know of that, a line each.
    """

    generation: int
    base: Tier
    overlays: tuple[OverlayRow, ...]
    live: Tier
    behind: bool = False
    whole: bool = True
    troubles: tuple[str, ...] = ()

    def at(self, now: datetime) -> Tier:
        """The base with those overlays that have not run out by now."""
        lasting = [row.patch for row in self.overlays if row.expires_at > now]
        return self.live if len(lasting) == len(self.overlays) else apply_patches(self.base, lasting)


@dataclass(frozen=True, slots=True)
class Pulse:
    """The little that tells whether a tier must be rendered again."""

    tier: str
    generation: int
    next_expiry: datetime | None


def tiers() -> list[TierRow]:
    """Every tier that has a revision, by name."""
    records = models.Tier.objects.filter(generation__gt=0).prefetch_related("proxies")
    return [_tier_row(record) for record in records]


def tier(name: str) -> TierRow:
    """Raises UnknownTier."""
    return _tier_row(_record(name))


def routes(tier: str | None = None) -> list[RouteRow]:
    """The routes of one tier or of all."""
    found = models.Route.objects.filter(retired_at=None).select_related("tier").order_by("tier__name", "name")
    if tier is not None:
        found = found.filter(tier__name=tier)
    return [route_row(row) for row in found]


def route(which: str | int) -> RouteRow:
    """By number, by `tier/name`, or by a name that stands in one tier only. Raises UnknownRoute."""
    found = models.Route.objects.filter(retired_at=None).select_related("tier")
    text = str(which)
    if "/" in text:
        tier_name, _, name = text.partition("/")
        observed.refuse_route(tier_name)
        found = found.filter(tier__name=tier_name, name=name)
    elif text.isascii() and text.isdecimal() and len(text) <= KEY_DIGITS:
        found = found.filter(pk=int(text)) if isinstance(which, int) else _by_number_or_name(found, text)
    else:
        found = found.filter(name=text)
    rows = list(found[:2])
    if len(rows) != 1:
        raise UnknownRoute(f"there is no route {which}" if not rows else f"{which} stands in several tiers")
    return route_row(rows[0])


def through(tier: str, route: str) -> tuple[str, ...]:
    """The upstreams that a route is split to, by name; none where there is no such route. One query."""
    found = models.Route.objects.filter(tier__name=tier, name=route).values_list("split", flat=True).first()
    return tuple(sorted(found or ()))


def base(tier: str) -> Tier:
    """The newest revision's tier, or what stands in where it is not understood. Raises UnknownTier."""
    return bases.base(tier).tier


def served(tier: str, *, now: datetime) -> Served:
    """Base and base + live overlays, with the generation read first: what is served is at least that new.

    An overlay that does not fit the base, which may be an earlier one, is not laid.
    """
    current = generation(tier)
    found = bases.base(tier)
    published = with_registered(found.tier, registry.registered(tier))
    live, overlays, unlaid = published, list[OverlayRow](), list[str]()
    for overlay in live_overlays(tier, now=now):
        try:
            live = apply_patches(live, [overlay.patch])
        except ProxyError as error:
            unlaid.append(f"{overlay.owner}'s overlay on {overlay.target} is not laid: {error}")
        else:
            overlays.append(overlay)
    troubles = (*found.troubles, *unlaid)
    return Served(current, published, tuple(overlays), live, found.behind, found.whole, troubles)


def desired(tier: str, *, now: datetime) -> Tier:
    """Base + live overlays. Raises UnknownTier."""
    return served(tier, now=now).live


def warnings(declared: Tier) -> tuple[str, ...]:
    """What a declaration costs and where it is less safe, though it is right all the same: a line each."""
    return (*resolution.warnings(declared), *map(str, safety.risks(declared)))


def risks(tier: str) -> tuple[Risk, ...]:
    """Where the published tier is less safe than its defaults, and why. Raises UnknownTier."""
    return safety.risks(base(tier))


def route_costs(tier: str) -> tuple[Cost, ...]:
    """By host: how many routes and regular expressions it has and what they cost. Raises UnknownTier."""
    return resolution.costs(base(tier))


def generation(tier: str) -> int:
    """Raises UnknownTier."""
    return _record(tier).generation


def pulses() -> list[Pulse]:
    """All tiers in one cheap query; `next_expiry` may lie in the past until the overlay is deleted."""
    found = models.Tier.objects.filter(generation__gt=0).annotate(
        next_expiry=Min("targets__overlay__expires_at")
    )
    return [Pulse(*row) for row in found.values_list("name", "generation", "next_expiry")]


def progress(tier: str, generation: int) -> Progress:
    """Of the whole generation. Raises UnknownTier."""
    proxies = _tier_row(_record(tier)).proxies
    acked = {proxy.name: proxy.acked_generation >= generation for proxy in proxies}
    return Progress.of(generation, acked, proxies)


def weights_progress(tier: str, generation: int) -> Progress:
    """Of the generation's weights and retry budgets alone, which a proxy takes though it refuses a listener.

    Whether a route has the arms that the weights are for, only what the proxy runs can tell. Raises
    UnknownTier.
    """
    proxies = _tier_row(_record(tier)).proxies
    acked = {
        proxy.name: max(proxy.weights_generation, proxy.acked_generation) >= generation for proxy in proxies
    }
    return Progress.of(generation, acked, [proxy for proxy in proxies if proxy.nack_type in BEAR_WEIGHTS])


def live_overlays(tier: str | None = None, *, now: datetime) -> list[OverlayRow]:
    """Overlays that are rendered now: not expired, and their fence not below their target's floor."""
    found = models.Overlay.objects.filter(expires_at__gt=now, fence__gte=F("target__fence_floor"))
    if tier is not None:
        found = found.filter(target__tier__name=tier)
    found = found.select_related("target__tier").order_by("target__tier__name", "target__name")
    return [_overlay_row(row) for row in found]


def targets(tier: str | None = None) -> list[TargetRow]:
    """Every target that was ever leased."""
    found = models.Target.objects.select_related("tier").order_by("tier__name", "name")
    if tier is not None:
        found = found.filter(tier__name=tier)
    return [
        TargetRow(row.tier.name, row.name, row.owner, row.fence, row.fence_floor, row.leased_until)
        for row in found
    ]


def _record(name: str) -> models.Tier:
    record = models.Tier.objects.filter(name=name).prefetch_related("proxies").first()
    if record is None:
        raise observed.absent(name)
    return record


def _by_number_or_name(found: Any, text: str) -> Any:
    """A page's address holds a number as text; a route may also be called by digits."""
    by_number = found.filter(pk=int(text))
    return by_number if by_number.exists() else found.filter(name=text)


def _tier_row(record: models.Tier) -> TierRow:
    number = record.revisions.values_list("number", flat=True).first() or 0
    proxies = tuple(_proxy_row(row, record.name) for row in record.proxies.all() if row.retired_at is None)
    return TierRow(record.pk, record.name, record.generation, number, proxies)


def _proxy_row(row: models.Proxy, tier: str) -> ProxyRow:
    return ProxyRow(
        id=row.pk,
        tier=tier,
        name=row.name,
        address=row.address,
        http_port=row.http_port,
        https_port=row.https_port,
        admin_port=row.admin_port,
        admin_tls_port=row.admin_tls_port,
        connected_at=row.connected_at,
        connected_to=row.connected_to,
        identity_ends_at=row.identity_ends_at,
        last_seen=row.last_seen,
        acked_generation=row.acked_generation,
        acked_at=row.acked_at,
        weights_generation=row.weights_generation,
        nack_generation=row.nack_generation,
        nack_type=row.nack_type,
        nack_reason=row.nack_reason,
        nack_at=row.nack_at,
        drift=tuple(row.drift),
        read_at=row.read_at,
        trouble=row.trouble,
    )


def route_row(row: models.Route) -> RouteRow:
    """Of a route that was read with its tier."""
    return RouteRow(row.pk, row.tier.name, row.name, tuple(row.hosts), row.prefix, dict(row.split))


def _overlay_row(row: models.Overlay) -> OverlayRow:
    return OverlayRow(
        tier=row.target.tier.name,
        target=row.target.name,
        owner=row.owner,
        patch=row.patch,
        fence=row.fence,
        generation=row.generation,
        reason=row.reason,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
