"""Describes observed tiers: frozen rows for pages, API and the checklist."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Prefetch, Q

from proxy import models
from proxy.domain import observing
from proxy.domain.errors import NotDriven, UnknownRoute, UnknownTier
from proxy.domain.observed import ObservedTier
from proxy.domain.observing import Seen
from proxy.domain.observing.comparing import Difference, differences, idle_clusters
from telemetry.domain.plain import Watched
from telemetry.domain.promql import selector


@dataclass(frozen=True, slots=True)
class ObservedProxyRow:
    """One Envoy. `seen` None: its configuration was never read, or it has no admin address."""

    name: str
    label: str
    admin: str
    seen: Seen | None
    looked_at: datetime | None
    read_at: datetime | None
    trouble: str


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """A tier that is watched. `differences` are the parts that its proxies do not have alike."""

    name: str
    declared: ObservedTier
    declared_at: datetime
    proxies: tuple[ObservedProxyRow, ...]

    @property
    def seen(self) -> Seen | None:
        """What the first proxy that was read runs; where they differ, `differences` says so."""
        return next((proxy.seen for proxy in self.proxies if proxy.seen), None)

    @property
    def differences(self) -> tuple[Difference, ...]:
        return differences({proxy.name: proxy.seen for proxy in self.proxies if proxy.seen})

    @property
    def bent(self) -> tuple[str, ...]:
        """In words, how its statistics differ from what the queries count on; empty where they do not."""
        stats = self.seen.stats if self.seen else None
        if stats is None:
            return ()
        own = f"stats_tags gives labels of its own: {', '.join(stats.own_tags)}" if stats.own_tags else ""
        less = "stats_matcher leaves series out" if stats.narrowed else ""
        bare = "" if stats.default_tags else "use_all_default_tags is off, so that labels stay in the names"
        return tuple(word for word in (own, less, bare) if word)

    @property
    def up(self) -> str:
        """The selector of its targets, to be shown."""
        return selector("up", *self.watched.matchers)

    @property
    def watched(self) -> Watched:
        """How its series are found. Clusters that no route leads to carry no request of a client."""
        return self.declared.watched(idle_clusters([proxy.seen for proxy in self.proxies if proxy.seen]))


@dataclass(frozen=True, slots=True)
class ObservedSummary:
    """How many proxies a tier has, and of how many the last look at their configuration worked or did not."""

    name: str
    proxies: int
    read: int
    silent: int


def summaries() -> list[ObservedSummary]:
    """Every observed tier, by name, without what its proxies run."""
    worked, silent = Q(proxies__trouble="", proxies__read_at__isnull=False), ~Q(proxies__trouble="")
    found = models.ObservedTier.objects.annotate(
        all_of_them=Count("proxies"),
        read=Count("proxies", filter=worked),
        silent=Count("proxies", filter=silent & Q(proxies__isnull=False)),
    )
    return [ObservedSummary(*row) for row in found.values_list("name", "all_of_them", "read", "silent")]


def tiers() -> list[ObservedRow]:
    """Every observed tier, by name."""
    records = list(models.ObservedTier.objects.prefetch_related(_PROXIES))
    seen = _seen([proxy for record in records for proxy in record.proxies.all()])
    return [_row(record, seen) for record in records]


def tier(name: str) -> ObservedRow:
    """Raises UnknownTier."""
    record = models.ObservedTier.objects.filter(name=name).prefetch_related(_PROXIES).first()
    if record is None:
        raise UnknownTier(f"there is no observed tier {name}")
    return _row(record, _seen(record.proxies.all()))


def news(declared: Iterable[ObservedTier]) -> list[str]:
    """Which of these are not watched in just this way yet, by name."""
    kept = dict(models.ObservedTier.objects.values_list("name", "document"))
    return [tier.name for tier in declared if kept.get(tier.name) != tier.model_dump(mode="json")]


def absent(tier: str) -> UnknownTier:
    """Why no driven tier has this name, to be raised: there is none, or it is observed."""
    if models.ObservedTier.objects.filter(name=tier).exists():
        return NotDriven(tier)
    return UnknownTier(f"there is no tier {tier}")


def refuse_route(tier: str) -> None:
    """Raises UnknownRoute, and why, where nothing can be done to a route of this tier: it is observed."""
    if models.ObservedTier.objects.filter(name=tier).exists():
        raise UnknownRoute(str(NotDriven(tier)))


def names() -> list[str]:
    """Their names, in one cheap query."""
    return list(models.ObservedTier.objects.values_list("name", flat=True))


# A picture of thousands of routes is read when it is new, not for every page.
_PROXIES = Prefetch("proxies", models.ObservedProxy.objects.defer("seen"))


_MOST_PICTURES = 256
_pictures: dict[tuple[int, str], Seen | None] = {}


def _seen(proxies: Iterable[models.ObservedProxy]) -> dict[int, Seen | None]:
    """What each proxy was seen to run, by its row's key: the new pictures in one query, however many."""
    wanted = {(proxy.pk, proxy.digest) for proxy in proxies if proxy.digest}
    held = _pictures.copy()  # another thread may make room meanwhile
    found = {key: held[key] for key in wanted & held.keys()}
    if missing := [pk for pk, _ in wanted - found.keys()]:
        rows = models.ObservedProxy.objects.filter(pk__in=missing).values_list("pk", "digest", "seen")
        new = {(pk, digest): observing.restored(kept) if kept else None for pk, digest, kept in rows}
        if len(_pictures) + len(new) > _MOST_PICTURES:
            _pictures.clear()
        _pictures.update(list(new.items())[:_MOST_PICTURES])
        found |= new
    return {pk: seen for (pk, _), seen in found.items()}


def _row(record: models.ObservedTier, seen: Mapping[int, Seen | None]) -> ObservedRow:
    declared = ObservedTier.model_validate(record.document)
    labels = {proxy.name: proxy.label for proxy in declared.proxies}
    rows = tuple(
        ObservedProxyRow(
            name=proxy.name,
            label=labels.get(proxy.name, proxy.name),
            admin=proxy.admin,
            seen=seen.get(proxy.pk),
            looked_at=proxy.looked_at,
            read_at=proxy.read_at,
            trouble=proxy.trouble,
        )
        for proxy in record.proxies.all()
    )
    return ObservedRow(record.name, declared, record.declared_at, rows)
