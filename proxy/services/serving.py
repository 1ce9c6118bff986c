"""What the ADS server learns from the proxies. Written often and decided by nobody: no audit row."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet

from proxy.models import Proxy


def record_connection(*, tier: str, proxy: str, now: datetime) -> None:
    """The proxy opened its stream."""
    _rows(tier, proxy).update(connected_at=now, last_seen=now)


def record_disconnection(*, tier: str, proxy: str, now: datetime) -> None:
    """The proxy's stream ended. It goes on with what it has."""
    _rows(tier, proxy).update(connected_at=None, last_seen=now)


def record_all_disconnected(*, now: datetime) -> None:
    """The ADS server begins: whatever was connected was so to its predecessor."""
    Proxy.objects.exclude(connected_at=None).update(connected_at=None)


def record_seen(*, proxies: Iterable[tuple[str, str]], now: datetime) -> None:
    """The streams of these (tier, proxy) are open."""
    for tier, proxy in proxies:
        _rows(tier, proxy).update(last_seen=now)


def record_ack(*, tier: str, proxy: str, generation: int, now: datetime) -> None:
    """The proxy acknowledged every resource of this generation. An older one changes nothing."""
    _rows(tier, proxy).filter(acked_generation__lt=generation).update(
        acked_generation=generation, acked_at=now, last_seen=now
    )


def record_weights_ack(*, tier: str, proxy: str, generation: int, now: datetime) -> None:
    """The proxy acknowledged this generation's runtime layer. An older one changes nothing."""
    _rows(tier, proxy).filter(weights_generation__lt=generation).update(
        weights_generation=generation, last_seen=now
    )


def record_nack(*, tier: str, proxy: str, generation: int, kind: str, reason: str, now: datetime) -> None:
    """The proxy refused resources of this generation and keeps what it had."""
    _rows(tier, proxy).update(
        nack_generation=generation, nack_type=kind, nack_reason=reason, nack_at=now, last_seen=now
    )


def _rows(tier: str, proxy: str) -> QuerySet[Proxy]:
    return Proxy.objects.filter(tier__name=tier, name=proxy, retired_at=None)
