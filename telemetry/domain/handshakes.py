"""The PromQL of what TLS costs a tier: fresh handshakes, which need a signature, and what they do to the CPU.

A spike is told from steady state by comparing with the tier's own recent past: a deploy or a flapping network
makes clients come back all at once, while more traffic raises requests and handshakes alike.
"""

from datetime import timedelta

from telemetry.domain.catalogue import (
    ANSWERED,
    CLIENTS,
    REQUESTS,
    USUAL,
    Scope,
    tls_handshakes,
    tls_resumed,
    within,
)
from telemetry.domain.promql import rate

_BUSY = "envoy_listener_manager_worker_dispatcher_loop_duration_us_sum"
# Below one a second the usual rate is as good as none, and a multiple of it says nothing.
_LEAST = 1


def fresh(*, tier: Scope, window: timedelta) -> str:
    """TLS handshakes that resumed no session: each costs the proxy a signature (M4)."""
    return (
        f"clamp_min({tls_handshakes(tier=tier, window=window)} - {tls_resumed(tier=tier, window=window)}, 0)"
    )


def surge(*, tier: Scope, window: timedelta) -> str:
    """How many times the usual rate fresh handshakes have; the usual rate counts as one a second at least."""
    usual = f"clamp_min({_usual_handshakes(tier, window)} - {_usual_resumed(tier, window)}, {_LEAST})"
    return f"{fresh(tier=tier, window=window)} / {usual}"


def request_surge(*, tier: Scope, window: timedelta) -> str:
    """How many times the usual rate requests have: more traffic, where handshakes surge no more than this."""
    now = f"sum({rate(REQUESTS, window, *within(tier), ANSWERED)})"
    usual = f"sum({rate(REQUESTS, USUAL, *within(tier), ANSWERED, offset=window)})"
    return f"{now} / clamp_min({usual}, {_LEAST})"


def busy(*, tier: Scope, window: timedelta) -> str:
    """The busiest worker's share of time in its event loop, 0 to 1, over all proxies (M3).

    Time on the wall: a machine that has too little CPU for its proxies makes it longer, too.
    """
    return f"max({rate(_BUSY, window, *within(tier))}) / 1e6"


def usually_busy(*, tier: Scope, window: timedelta) -> str:
    """The same over the past before the window: the steady state."""
    return f"max({rate(_BUSY, USUAL, *within(tier), offset=window)}) / 1e6"


def cores(*, tier: Scope, window: timedelta) -> str:
    """Seconds a second that all workers of all proxies spend in their loops: the cores that they take."""
    return f"sum({rate(_BUSY, window, *within(tier))}) / 1e6"


def workers(*, tier: Scope, window: timedelta) -> str:
    """How many workers all proxies have together."""
    return f"count({rate(_BUSY, window, *within(tier))})"


def failed_share(*, tier: Scope, window: timedelta) -> str:
    """The share of handshakes that failed, 0 to 1."""
    failed = f"sum({rate('envoy_listener_ssl_connection_error', window, *within(tier), CLIENTS)})"
    return f"{failed} / ({failed} + {tls_handshakes(tier=tier, window=window)} > 0)"


def refused_accepts(*, tier: Scope, window: timedelta) -> str:
    """Connections that were closed before any cryptography, since too many came in a second."""
    return f"sum({rate('envoy_listener_local_ratelimit_rate_limited', window, *within(tier))})"


def _usual_handshakes(tier: Scope, window: timedelta) -> str:
    return f"sum({rate('envoy_listener_ssl_handshake', USUAL, *within(tier), CLIENTS, offset=window)})"


def _usual_resumed(tier: Scope, window: timedelta) -> str:
    return f"sum({rate('envoy_listener_ssl_session_reused', USUAL, *within(tier), CLIENTS, offset=window)})"
