"""The only writer of the tier: declarations, overlays, and what the proxies acknowledged."""

from proxy.services.declaring import Applied, apply, publish_split
from proxy.services.draining import (
    drain_endpoint,
    drain_proxy,
    settle_drains,
    undrain_endpoint,
    undrain_proxy,
)
from proxy.services.obeying import obeyed
from proxy.services.observing import forget, watch
from proxy.services.overlays import delete_overlay, expire, lease, put_overlay, renew_overlay
from proxy.services.reading import Meeting, readback
from proxy.services.registering import audit_registrations, register
from proxy.services.reverting import revert
from proxy.services.serving import (
    record_ack,
    record_connection,
    record_disconnection,
    record_identity,
    record_nack,
    record_seen,
    record_silence,
    record_start,
    record_weights_ack,
)
from proxy.services.telling import tell_bases
from proxy.services.tickets import rotate_tickets, turn_tickets

__all__ = [
    "Applied",
    "Meeting",
    "apply",
    "audit_registrations",
    "delete_overlay",
    "drain_endpoint",
    "drain_proxy",
    "expire",
    "forget",
    "lease",
    "obeyed",
    "publish_split",
    "put_overlay",
    "readback",
    "record_ack",
    "record_connection",
    "record_disconnection",
    "record_identity",
    "record_nack",
    "record_seen",
    "record_silence",
    "record_start",
    "record_weights_ack",
    "register",
    "renew_overlay",
    "revert",
    "rotate_tickets",
    "settle_drains",
    "tell_bases",
    "turn_tickets",
    "undrain_endpoint",
    "undrain_proxy",
    "watch",
]
