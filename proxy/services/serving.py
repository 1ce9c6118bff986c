"""What the ADS servers learn from the proxies. Written often and decided by nobody: no audit row.

Several servers write here, each under its own name (`server`, such as `host:18000`). A proxy is with one of
them at a time, and only that one may say that it went.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from proxy.models import Proxy

LOST = timedelta(seconds=10)
"""A server tells every two seconds who is with it: one that was silent for five times that is gone."""


def record_connection(*, tier: str, proxies: Collection[str], now: datetime, server: str = "") -> None:
    """These proxies opened their streams to this server."""
    _rows(tier, proxies).update(connected_at=now, connected_to=server, last_seen=now)


def record_identity(*, tier: str, proxy: str, ends_at: datetime) -> None:
    """The proxy came with a certificate that is good until then."""
    _rows(tier, [proxy]).update(identity_ends_at=ends_at)


def record_disconnection(*, tier: str, proxies: Collection[str], now: datetime, server: str = "") -> None:
    """Their streams to this server ended. They go on with what they have.

    Those that are with another server already are left alone.
    """
    rows = _rows(tier, proxies).filter(connected_to=server)
    rows.update(connected_at=None, connected_to="", last_seen=now)


def record_start(*, server: str) -> None:
    """The server begins: its predecessor of the same name has no proxy."""
    _gone(Q(connected_to=server))


def record_seen(*, tier: str, proxies: Collection[str], now: datetime, server: str = "") -> None:
    """Their streams to this server are open."""
    rows = _rows(tier, proxies)
    rows.filter(connected_to=server).update(last_seen=now)
    # Given up while this server could not reach the database.
    rows.filter(connected_at=None).update(connected_at=now, connected_to=server, last_seen=now)


def record_silence(*, now: datetime) -> None:
    """The proxies that no server has told of for long are lost, whoever they were with."""
    _gone(Q(last_seen__lt=now - LOST))


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
    """The proxy refused resources of this generation and keeps what it had. An older one changes nothing."""
    _rows(tier, [proxy]).filter(nack_generation__lte=generation).update(
        nack_generation=generation, nack_type=kind, nack_reason=reason, nack_at=now, last_seen=now
    )


def _gone(which: Q) -> None:
    Proxy.objects.filter(which).exclude(connected_at=None).update(connected_at=None, connected_to="")


def _rows(tier: str, proxies: Collection[str]) -> QuerySet[Proxy]:
    return Proxy.objects.filter(tier__name=tier, name__in=proxies, retired_at=None)
