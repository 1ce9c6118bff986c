"""The overload manager: what a proxy gives up, step by step, so that it does not die.

It stands in the bootstrap, which Envoy reads once: a change is obeyed after a restart.
"""

from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import kinds

HEAP = "envoy.resource_monitors.fixed_heap"
INJECTED = "envoy.resource_monitors.injected_resource"
CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"
STREAM_BYTES_POWER = 20
"""Streams that hold 2^20 bytes and more are counted, so that the largest can be reset."""

Range = tuple[float, float]
_AT_ONCE = {
    "shrink_heap": 0.9,
    "disable_http_keepalive": 0.9,
    "stop_accepting_requests": 0.95,
    # Closed at once rather than left to wait in the kernel's queue for a proxy that cannot serve them.
    "reject_incoming_connections": 0.98,
}
_RISING: dict[str, Range] = {"reduce_timeouts": (0.7, 0.9), "reset_high_memory_stream": (0.9, 0.98)}
# The share of new requests that is answered 503 at once; at 0.95 all are, by the action above. Not the shed
# point of connection pools: Envoy tells its 503 like that of an open circuit, so that nobody would see why.
_SHED: dict[str, Range] = {
    "http_connection_manager_decode_headers": (0.9, 0.97),
    "http2_server_go_away_on_dispatch": (0.95, 0.98),
}
_SCALED: dict[str, dict[str, Any]] = {
    "HTTP_DOWNSTREAM_CONNECTION_IDLE": {"min_timeout": "2s"},
    "HTTP_DOWNSTREAM_STREAM_IDLE": {"min_timeout": "2s"},
    "HTTP_DOWNSTREAM_CONNECTION_MAX": {"min_scale": {"value": 20}},
    "TRANSPORT_SOCKET_CONNECT": {"min_scale": {"value": 20}},
}


def manager(tier: Tier, *, injected: str | None = None) -> dict[str, Any]:
    """`injected` is a file whose text, a share from 0 to 1, counts as pressure besides the heap's: for
    drills.
    """
    pressures = [HEAP] if injected is None else [HEAP, INJECTED]
    return {
        "refresh_interval": "0.25s",
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": STREAM_BYTES_POWER},
        "resource_monitors": _monitors(tier, injected),
        "actions": [_action(name, pressures) for name in (*_AT_ONCE, *_RISING)],
        "loadshed_points": [
            {"name": f"envoy.load_shed_points.{name}", "triggers": _rising(pressures, over)}
            for name, over in _SHED.items()
        ],
    }


def max_connections(tier: Tier) -> int:
    """Over all listeners of a proxy. There are two at least, each with a cap of its own."""
    return tier.protection.max_connections or 2 * tier.limits.max_connections


def _monitors(tier: Tier, injected: str | None) -> list[dict[str, Any]]:
    found = [
        kinds.extension(
            HEAP,
            "resource_monitors.fixed_heap.v3.FixedHeapConfig",
            max_heap_size_bytes=tier.protection.max_heap,
        ),
        kinds.extension(
            CONNECTIONS,
            "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            max_active_downstream_connections=max_connections(tier),
        ),
    ]
    if injected is not None:
        drill = "resource_monitors.injected_resource.v3.InjectedResourceConfig"
        found.append(kinds.extension(INJECTED, drill, filename=injected))
    return found


def _action(name: str, pressures: list[str]) -> dict[str, Any]:
    triggers = _rising(pressures, _RISING[name]) if name in _RISING else _at(pressures, _AT_ONCE[name])
    action: dict[str, Any] = {"name": f"envoy.overload_actions.{name}", "triggers": triggers}
    if name == "reduce_timeouts":
        action["typed_config"] = {
            "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
            "timer_scale_factors": [{"timer": timer, **least} for timer, least in _SCALED.items()],
        }
    return action


def _at(pressures: list[str], share: float) -> list[dict[str, Any]]:
    return [{"name": pressure, "threshold": {"value": share}} for pressure in pressures]


def _rising(pressures: list[str], over: Range) -> list[dict[str, Any]]:
    scaled = {"scaling_threshold": over[0], "saturation_threshold": over[1]}
    return [{"name": pressure, "scaled": scaled} for pressure in pressures]
