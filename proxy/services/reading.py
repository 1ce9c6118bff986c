"""Reading back what the proxies really run: an ACK says that a proxy took a configuration, not that it
obeys it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from proxy import schema, selectors, validation
from proxy.domain import likeness, restarting, running, showing
from proxy.domain.errors import Invalid, ProxyUnreachable
from proxy.domain.meeting import elsewhere
from proxy.domain.tier import Tier
from proxy.domain.translate import kinds, resources
from proxy.domain.translate.bootstrap import Address
from proxy.models import Proxy
from proxy.ports import ProxyAdmin
from proxy.selectors import ProxyRow, Served
from proxy.services.asking import asked

MOST_ROUTES = 1000
"""Beyond, a route table is compared by its weights only: reading it takes proxies and workers seconds."""


Serials = Callable[[Tier], Mapping[str, int]]
"""The serial numbers of the certificates that a tier's clients are shown, by secret, as far as is known."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the ADS servers are to be found."""

    servers: Sequence[Address]
    plaintext: bool = False


def readback(
    *, admin: ProxyAdmin, now: datetime, meeting: Meeting | None = None, serials: Serials | None = None
) -> None:
    """Record each proxy's drift, that of its bootstrap from `meeting` and of its certificates from `serials`
    included.

    A proxy that does not answer keeps its last reading, which then grows old, and the reason beside it. While
    a proxy has not acknowledged what is served, only overrides and the bootstrap are looked at: a change
    under way is no drift.
    """
    proxies = [proxy for tier in selectors.tiers() for proxy in tier.proxies]
    # Read after what they have acknowledged: a proxy that is ahead of what is looked at would seem to drift.
    served = {name: selectors.served(name, now=now) for name in dict.fromkeys(each.tier for each in proxies)}
    known = {name: serials(each.base) for name, each in served.items()} if serials else {}
    seen = asked(lambda each: _look(each, served[each.tier], admin), proxies)
    for proxy, read in zip(proxies, seen, strict=True):
        if isinstance(read, ProxyUnreachable):
            Proxy.objects.filter(pk=proxy.id).update(trouble=str(read))
        else:
            drift = _drift(proxy, served[proxy.tier], read, meeting)
            if read.serials is not None:
                drift += showing.other_certificates(known.get(proxy.tier, {}), read.serials)
            Proxy.objects.filter(pk=proxy.id).update(drift=drift, read_at=now, trouble="")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a proxy said. `splits` is None where it was not asked for all, since a change is under way."""

    overrides: Mapping[str, str]
    started: Mapping[str, Any]
    splits: Mapping[str, Mapping[str, int]] | None = None
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    serials: frozenset[int] | None = None


def _look(proxy: ProxyRow, served: Served, admin: ProxyAdmin) -> _Seen | ProxyUnreachable:
    """Asks only: it runs beside others, and protobuf's messages are not for several threads at once."""
    address = proxy.admin_address
    try:
        seen = _Seen(admin.overrides(address), admin.started_with(address))
        if proxy.acked_generation < served.generation:
            return seen
        sections = admin.sections(address, _compared(served.live))
        runtime = admin.runtime(address) if sections else {}
        shown = admin.serials(address) if sections else None
        splits = admin.splits(address)
        return replace(seen, splits=splits, sections=sections, runtime=runtime, serials=shown)
    except ProxyUnreachable as error:
        return error


def _compared(wanted: Tier) -> list[str]:
    """The sections of the dump that are compared field by field."""
    names = [*likeness.SECTIONS, likeness.ENDPOINTS, likeness.SECRETS]
    if len(wanted.routes) > MOST_ROUTES:
        names.remove("dynamic_route_configs")
    if wanted.jwt_providers or wanted.api_keys:
        names.append(showing.FILTERS)
    return names


def _drift(proxy: ProxyRow, served: Served, seen: _Seen, meeting: Meeting | None) -> list[str]:
    """What it runs that is not what it should."""
    wanted = served.live
    if seen.splits is None:
        found = running.drift(wanted.model_copy(update={"routes": ()}), {}, seen.overrides)
    else:
        found = (*running.drift(wanted, seen.splits, seen.overrides), *_unlike(proxy, served, seen))
    # No overlay reaches the bootstrap.
    return [*found, *_outdated(proxy, served.base, seen.started, meeting)]


def _outdated(
    proxy: ProxyRow, wanted: Tier, started: Mapping[str, Any], meeting: Meeting | None
) -> tuple[str, ...]:
    """What is otherwise in the bootstrap."""
    found = (*restarting.needed(wanted, started), *restarting.open_admin(wanted, proxy.name, started))
    if meeting is None:
        return found
    return (*found, *elsewhere(started, meeting.servers, plaintext=meeting.plaintext))


def _unlike(proxy: ProxyRow, served: Served, seen: _Seen) -> tuple[str, ...]:
    """Field by field. A proxy that shows nothing, or what this binary's schema does not know, is told so."""
    if not seen.sections:
        return ()
    wanted = resources(base=served.base, live=served.live, proxy=proxy.name, material=validation.BLANK)
    filters = seen.sections.get(showing.FILTERS)
    absent = () if filters is None else showing.absent_filters(wanted[kinds.EXTENSION], filters)
    try:
        return (*likeness.unlike(wanted, seen.sections, seen.runtime, schema.bundled().plain), *absent)
    except Invalid as error:
        return (f"it shows what this Sluice cannot read: {error}",)
