"""Checks of how a tier meets its clients: slow ones, many ones, ones that come back all at once."""

from collections.abc import Iterator

from proxy.domain import observing
from proxy.domain.checks.looking import Look, Mend
from proxy.domain.observing.seen import Chain, Listener, Manager, Seen, ServerTls
from proxy.domain.tier import Tier
from proxy.domain.translate import clusters, listeners

HEADERS, REQUEST, IDLE = 10.0, 60.0, 300.0
"""Seconds: longer than this a client is not slow but in the way. Streams and connections have the last."""
_OWN = "sluice_"
_PER_ADDRESS = "envoy.filters.network.ext_authz"
_PER_ADDRESS_TYPE = "extensions.filters.network.ext_authz.v3.ExtAuthz"


def picture(tier: Tier) -> Seen:
    """The declaration as its first proxy would show it, without its routes."""
    bare = tier.model_copy(update={"routes": ()})
    made = [*clusters.clusters(bare, bare), *clusters.assignments(bare)]
    return observing.read({"configs": [*made, *listeners.listeners(bare, tier.proxies[0].name)]})


def cuts_slow_clients(seen: Seen, name: str) -> Look:
    """Whether headers, whole requests, idle streams and idle connections have an end that is soon enough."""
    managers = [manager for listener in _serving(seen) for manager in _managers(listener)]
    if not managers:
        return Look(None, "no connection manager is shown")
    for manager in managers:
        for key, most, default in _LIMITS:
            value = manager.timeouts.get(key, default)
            if not value or value > most:
                lasts = f"{value:g} s" if value else "no end"
                return Look(
                    False, f"{key} of {manager.stat_prefix} is {lasts}: {most:g} s at most cut slow ones"
                )
    first = managers[0].timeouts
    headers, whole = first.get("request_headers_timeout", 0), first.get("request_timeout", 0)
    return Look(True, f"headers have {headers:g} s and requests {whole:g} s, and nothing idles for ever")


# Name, the most, and Envoy's own default in seconds: 0 is none.
_LIMITS = (
    ("request_headers_timeout", HEADERS, 0.0),
    ("request_timeout", REQUEST, 0.0),
    ("stream_idle_timeout", IDLE, 300.0),
    ("idle_timeout", IDLE, 3600.0),
)


def to_cut_slow_clients(name: str) -> Mend:
    """The defaults of Sluice's own tiers."""
    times = {
        "request_headers_timeout": "5s",
        "request_timeout": "30s",
        "stream_idle_timeout": "60s",
        "idle_timeout": "60s",
    }
    spelled = ", ".join(f"{key}: {value}" for key, value in times.items())
    return Mend({"kind": "limits", **times}, f"limits: {{{spelled}}}")


def caps_addresses(seen: Seen, name: str) -> Look:
    """Whether somebody is asked about the connections of an address: Envoy has no such cap of its own."""
    chains = [
        chain for listener in _serving(seen) if listener.transport == "tcp" for chain in listener.chains
    ]
    if not chains:
        return Look(None, "no listener is shown")
    bare = [chain for chain in chains if not _asks(chain)]
    if bare:
        return Look(False, "nothing caps the connections of one address")
    return Look(True, "connections are counted by address, and capped")


def to_cap_addresses(name: str) -> Mend:
    limit = {"max_connections_per_address": 64}
    return Mend({"kind": "limits", **limit}, "limits: {max_connections_per_address: 64}")


def cycles(seen: Seen, name: str) -> Look:
    """Whether clients' connections end after a while, so that they choose among the proxies again."""
    managers = [manager for listener in _serving(seen) for manager in _managers(listener)]
    if not managers:
        return Look(None, "no connection manager is shown")
    for manager in managers:
        age = manager.timeouts.get("max_connection_duration")
        number = manager.limits.get("max_requests_per_connection")
        if not age and not number:
            return Look(False, f"connections to {manager.stat_prefix} never end by themselves")
    ends = [f"after {age:g} s"] if age else []
    ends += [f"after {number:g} requests"] if number else []
    return Look(True, f"clients' connections end {' or '.join(ends)}")


def to_cycle(name: str) -> Mend:
    patch = {"kind": "connection_cycling", "max_connection_duration": "60s"}
    return Mend(patch, "limits: {max_connection_duration: 10m}")


def resumes(seen: Seen, name: str) -> Look:
    """Whether sessions may be resumed on every listener with TLS."""
    tickets = [tls.tickets for tls in _tls(seen)]
    if not tickets:
        return Look(None, "no listener with TLS is shown")
    if "off" in tickets:
        return Look(False, "a listener refuses session tickets: each handshake is a fresh one")
    return Look(True, "sessions are resumed by tickets")


def to_resume(name: str) -> Mend:
    """A driven tier always resumes: what does not is another configuration's."""
    return Mend(declare="disable_stateless_session_resumption: false, in the listener's TLS context")


def shares_ticket_keys(seen: Seen, name: str) -> Look:
    """Whether ticket keys come with the configuration: else a client resumes on the process it met only."""
    tickets = [tls.tickets for tls in _tls(seen)]
    if not tickets:
        return Look(None, "no listener with TLS is shown")
    if any(each != "shared" for each in tickets):
        return Look(False, "a listener makes its own ticket keys: who meets another proxy begins anew")
    return Look(True, "all proxies have the same ticket keys")


def to_share_ticket_keys(name: str) -> Mend:
    return Mend(declare="session_ticket_keys_sds_secret_config, in the listener's TLS context")


def _serving(seen: Seen) -> list[Listener]:
    """Those that take clients' connections: not Sluice's own, nor what is going or not there yet."""
    return [
        each
        for each in seen.listeners
        if each.state in ("active", "static") and not each.name.startswith(_OWN) and list(_managers(each))
    ]


def _managers(listener: Listener) -> Iterator[Manager]:
    return (manager for chain in listener.chains for manager in chain.managers)


def _tls(seen: Seen) -> Iterator[ServerTls]:
    """QUIC has its own tickets within BoringSSL, which no configuration shares."""
    chains = (chain for listener in _serving(seen) for chain in listener.chains)
    return (chain.tls for chain in chains if chain.tls is not None and not chain.tls.quic)


def _asks(chain: Chain) -> bool:
    return any(each.name == _PER_ADDRESS or each.type == _PER_ADDRESS_TYPE for each in chain.filters)
