"""The rows that mirror a tier's declaration, for pages and foreign keys: they follow it by name."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import QuerySet

from proxy.domain.tier import Tier
from proxy.models import Endpoint, Mirror, Proxy, Route, Upstream
from proxy.models import Tier as TierRecord

BATCH = 500
"""So many rows a query. A tier may have 10,000 of them, and SQLite takes some thousands of values at once."""
M = TypeVar("M", bound=Mirror)
Wanted = Mapping[tuple[int, str], dict[str, Any]]
"""The fields of each row by the number of the row that it belongs to, and its name."""


def mirror(record: TierRecord, tier: Tier, now: datetime) -> None:
    """Rows keep their key as long as their name stands; what is gone is retired, what is back is revived."""
    proxies = {(record.pk, proxy.name): _fields(proxy, *_PROXY) for proxy in tier.proxies}
    _follow(Proxy, "tier_id", Proxy.objects.filter(tier=record), proxies, now)
    upstreams = {(record.pk, upstream.name): _fields(upstream, "protocol") for upstream in tier.upstreams}
    _follow(Upstream, "tier_id", Upstream.objects.filter(tier=record), upstreams, now)
    _follow(Route, "tier_id", Route.objects.filter(tier=record), _routes(record, tier), now)
    ends = Endpoint.objects.filter(upstream__tier=record)
    _follow(Endpoint, "upstream_id", ends, _endpoints(record, tier), now)


_PROXY = ("address", "http_port", "https_port", "admin_port", "admin_tls_port")


def _fields(declared: object, *names: str) -> dict[str, Any]:
    return {name: getattr(declared, name) for name in names}


def _routes(record: TierRecord, tier: Tier) -> Wanted:
    return {
        (record.pk, route.name): {
            "hosts": list(route.hosts),
            "prefix": route.prefix,
            "split": dict(route.split),
        }
        for route in tier.routes
    }


def _endpoints(record: TierRecord, tier: Tier) -> Wanted:
    rows = dict(Upstream.objects.filter(tier=record, retired_at=None).values_list("name", "pk"))
    return {
        (rows[upstream.name], end.label): _fields(end, "address", "port")
        for upstream in tier.upstreams
        for end in upstream.endpoints
    }


def _follow(model: type[M], within: str, rows: QuerySet[M], wanted: Wanted, now: datetime) -> None:
    """`within` is the field with the number of the row that these belong to."""
    there = {(getattr(row, within), row.name): row for row in rows}
    manager = model._default_manager
    fresh = [
        model(**{within: key[0]}, name=key[1], **fields) for key, fields in wanted.items() if key not in there
    ]
    manager.bulk_create(fresh, batch_size=BATCH)
    changed = [row for key, row in there.items() if key in wanted and _changed(row, wanted[key])]
    if changed:
        names = [*next(iter(wanted.values())), "retired_at"]
        manager.bulk_update(changed, names, batch_size=BATCH)
    gone = [row.pk for key, row in there.items() if key not in wanted and row.retired_at is None]
    for some in _batches(gone):
        manager.filter(pk__in=some).update(retired_at=now)


def _changed(row: Mirror, fields: Mapping[str, Any]) -> bool:
    """Whether the row differed; it now has the fields."""
    fields = {**fields, "retired_at": None}
    differs = any(getattr(row, name) != value for name, value in fields.items())
    for name, value in fields.items():
        setattr(row, name, value)
    return differs


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH))
