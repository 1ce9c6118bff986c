"""What the ADS server learns from the proxies. Written often and decided by nobody: no audit row."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import QuerySet

from proxy.models import Proxy


def record_connection(*, tier: str, proxies: Collection[str], now: datetime) -> None:
    """These proxies opened their streams."""
    _rows(tier, proxies).update(connected_at=now, last_seen=now)


def record_disconnection(*, tier: str, proxies: Collection[str], now: datetime) -> None:
    """Their streams ended. They go on with what they have."""
    _rows(tier, proxies).update(connected_at=None, last_seen=now)


def record_all_disconnected(*, now: datetime) -> None:
    """The ADS server begins: whatever was connected was so to its predecessor."""
    Proxy.objects.exclude(connected_at=None).update(connected_at=None)


def record_seen(*, tier: str, proxies: Collection[str], now: datetime) -> None:
    """Their streams are open."""
    _rows(tier, proxies).update(last_seen=now)


def record_ack(*, tier: str, proxies: Collection[str], generation: int, now: datetime) -> None:
    """They acknowledged every resource of this generation. An older one changes nothing."""
    _rows(tier, proxies).filter(acked_generation__lt=generation).update(
        acked_generation=generation, acked_at=now, last_seen=now
    )


def record_weights_ack(*, tier: str, proxies: Collection[str], generation: int, now: datetime) -> None:
    """They acknowledged this generation's runtime layer. An older one changes nothing."""
    _rows(tier, proxies).filter(weights_generation__lt=generation).update(
        weights_generation=generation, last_seen=now
    )


def record_nack(*, tier: str, proxy: str, generation: int, kind: str, reason: str, now: datetime) -> None:
    """The proxy refused resources of this generation and keeps what it had."""
    _rows(tier, [proxy]).update(
        nack_generation=generation, nack_type=kind, nack_reason=reason, nack_at=now, last_seen=now
    )


def _rows(tier: str, proxies: Collection[str]) -> QuerySet[Proxy]:
    return Proxy.objects.filter(tier__name=tier, name__in=proxies, retired_at=None)
