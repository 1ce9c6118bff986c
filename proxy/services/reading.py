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
from proxy.domain.translate import resources
from proxy.domain.translate.bootstrap import Address
from proxy.models import Proxy
from proxy.ports import ProxyAdmin
from proxy.selectors import ProxyRow, Served

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
    for tier in selectors.tiers():
        served = selectors.served(tier.name, now=now)
        for proxy in tier.proxies:
            _read(proxy, served, admin, now, meeting)


def _read(proxy: ProxyRow, served: Served, admin: ProxyAdmin, now: datetime, meeting: Meeting | None) -> None:
    wanted, address = served.live, proxy.admin_address
    settled = proxy.acked_generation >= served.generation
    try:
        overridden = admin.overrides(address)
        started = admin.started_with(address)
        outdated = (*restarting.needed(wanted, started), *restarting.open_admin(wanted, proxy.name, started))
        if meeting is not None:
            lost = elsewhere(started, meeting.servers, plaintext=meeting.plaintext)
            outdated = (*outdated, *lost)
        if settled:
            found = running.drift(wanted, admin.splits(address), overridden)
            found = (*found, *_unlike(proxy, served, admin))
        else:
            found = running.drift(wanted.model_copy(update={"routes": ()}), {}, overridden)
    except ProxyUnreachable as error:
        Proxy.objects.filter(pk=proxy.id).update(trouble=str(error))
        return
    Proxy.objects.filter(pk=proxy.id).update(drift=[*found, *outdated], read_at=now, trouble="")


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
