"""Reading back what the proxies really run: an ACK says that a proxy took a configuration, not that it
obeys it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from proxy import schema, selectors, validation
from proxy.domain import likeness, restarting, running
from proxy.domain.errors import Invalid, ProxyUnreachable
from proxy.domain.meeting import elsewhere
from proxy.domain.tier import Tier
from proxy.domain.translate import resources
from proxy.domain.translate.bootstrap import Address
from proxy.models import Proxy
from proxy.ports import ProxyAdmin
from proxy.selectors import ProxyRow, Served
from proxy.services.asking import asked

MOST_ROUTES = 1000
"""Beyond, a route table is compared by its weights only: reading it takes proxies and workers seconds."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the ADS servers are to be found."""

    servers: Sequence[Address]
    plaintext: bool = False


def readback(*, admin: ProxyAdmin, now: datetime, meeting: Meeting | None = None) -> None:
    """Record each proxy's drift, that of its bootstrap from `meeting` included.

    A proxy that does not answer keeps its last reading, which then grows old, and the reason beside it. While
    a proxy has not acknowledged what is served, only overrides and the bootstrap are looked at: a change
    under way is no drift.
    """
    proxies = [proxy for tier in selectors.tiers() for proxy in tier.proxies]
    # Read after what they have acknowledged: a proxy that is ahead of what is looked at would seem to drift.
    served = {name: selectors.served(name, now=now) for name in dict.fromkeys(each.tier for each in proxies)}
    if proxies:
        schema.bundled()  # loaded once, before the threads that use it
    found = asked(lambda each: _read(each, served[each.tier], admin, meeting), proxies)
    for proxy, read in zip(proxies, found, strict=True):
        if isinstance(read, ProxyUnreachable):
            Proxy.objects.filter(pk=proxy.id).update(trouble=str(read))
        else:
            Proxy.objects.filter(pk=proxy.id).update(drift=read, read_at=now, trouble="")


def _read(
    proxy: ProxyRow, served: Served, admin: ProxyAdmin, meeting: Meeting | None
) -> list[str] | ProxyUnreachable:
    """Its drift, or why it cannot be told."""
    try:
        return [*_drift(proxy, served, admin), *_outdated(proxy, served.live, admin, meeting)]
    except ProxyUnreachable as error:
        return error


def _drift(proxy: ProxyRow, served: Served, admin: ProxyAdmin) -> tuple[str, ...]:
    wanted, address = served.live, proxy.admin_address
    overridden = admin.overrides(address)
    if proxy.acked_generation < served.generation:
        return running.drift(wanted.model_copy(update={"routes": ()}), {}, overridden)
    found = running.drift(wanted, admin.splits(address), overridden)
    return (*found, *_unlike(proxy, served, admin))


def _outdated(proxy: ProxyRow, wanted: Tier, admin: ProxyAdmin, meeting: Meeting | None) -> tuple[str, ...]:
    """What is otherwise in the bootstrap."""
    started = admin.started_with(proxy.admin_address)
    found = (*restarting.needed(wanted, started), *restarting.open_admin(wanted, proxy.name, started))
    if meeting is None:
        return found
    return (*found, *elsewhere(started, meeting.servers, plaintext=meeting.plaintext))


def _unlike(proxy: ProxyRow, served: Served, admin: ProxyAdmin) -> tuple[str, ...]:
    """Field by field. A proxy that shows nothing, or what this binary's schema does not know, is told so."""
    names = [*likeness.SECTIONS, likeness.ENDPOINTS, likeness.SECRETS]
    if len(served.live.routes) > MOST_ROUTES:
        names.remove("dynamic_route_configs")
    sections = admin.sections(proxy.admin_address, names)
    if not sections:
        return ()
    wanted = resources(base=served.base, live=served.live, proxy=proxy.name, material=validation.BLANK)
    try:
        return likeness.unlike(wanted, sections, admin.runtime(proxy.admin_address), schema.bundled().plain)
    except Invalid as error:
        return (f"it shows what this Sluice cannot read: {error}",)
