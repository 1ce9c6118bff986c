"""Describes upstreams and where their endpoints come from; of pushed ones, how old the last word is."""

from dataclasses import dataclass
from datetime import datetime

from proxy import models
from proxy.domain.errors import UnknownUpstream
from proxy.domain.tier import Endpoint


@dataclass(frozen=True, slots=True)
class UpstreamRow:
    """An upstream by its keys."""

    id: int
    tier: str
    name: str


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """What a registry pushed last, and when it last said so."""

    upstream: str
    endpoints: tuple[Endpoint, ...]
    by: str
    changed_at: datetime
    pushed_at: datetime


def registrations(tier: str) -> dict[str, RegistrationRow]:
    """By upstream, of those for which anything was ever pushed."""
    found = models.Registration.objects.filter(upstream__tier__name=tier, upstream__retired_at=None)
    return {row.upstream.name: _row(row) for row in found.select_related("upstream")}


def registered(tier: str) -> dict[str, tuple[Endpoint, ...]]:
    """The pushed endpoints by upstream."""
    return {name: row.endpoints for name, row in registrations(tier).items()}


def upstreams(tier: str | None = None) -> list[UpstreamRow]:
    """Of one tier or of all."""
    found = (
        models.Upstream.objects.filter(retired_at=None).select_related("tier").order_by("tier__name", "name")
    )
    if tier is not None:
        found = found.filter(tier__name=tier)
    return [UpstreamRow(row.pk, row.tier.name, row.name) for row in found]


def upstream(which: str, tier: str | None = None) -> UpstreamRow:
    """By number, or by a name that stands in one tier only, or in this one. Raises UnknownUpstream."""
    rows = upstreams(tier)
    found = [row for row in rows if row.name == which] or [row for row in rows if str(row.id) == which]
    if len(found) != 1:
        raise UnknownUpstream(
            f"there is no upstream {which}" if not found else f"{which} stands in several tiers: say which"
        )
    return found[0]


def _row(record: models.Registration) -> RegistrationRow:
    endpoints = tuple(Endpoint.model_validate(each) for each in record.endpoints)
    return RegistrationRow(record.upstream.name, endpoints, record.by, record.changed_at, record.pushed_at)
