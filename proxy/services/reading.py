"""Reading back what the proxies really run: an ACK says that a proxy took a configuration, not that it
obeys it.
"""

from datetime import datetime

from proxy import selectors
from proxy.domain import restarting, running
from proxy.domain.errors import ProxyUnreachable
from proxy.domain.tier import Tier
from proxy.models import Proxy
from proxy.ports import ProxyAdmin
from proxy.selectors import ProxyRow


def readback(*, admin: ProxyAdmin, now: datetime) -> None:
    """Record each proxy's drift. A proxy that does not answer keeps its last reading, which then grows old.

    While a proxy has not acknowledged what is served, only overrides are looked at: a change under way is no
    drift.
    """
    for tier in selectors.tiers():
        served = selectors.served(tier.name, now=now)
        for proxy in tier.proxies:
            _read(proxy, served.live, proxy.acked_generation >= served.generation, admin, now)


def _read(proxy: ProxyRow, wanted: Tier, settled: bool, admin: ProxyAdmin, now: datetime) -> None:
    try:
        overridden = admin.overrides(proxy.admin_address)
        outdated = restarting.needed(wanted, admin.started_with(proxy.admin_address))
        if settled:
            found = running.drift(wanted, admin.splits(proxy.admin_address), overridden)
        else:
            found = running.drift(wanted.model_copy(update={"routes": ()}), {}, overridden)
    except ProxyUnreachable:
        return
    Proxy.objects.filter(pk=proxy.id).update(drift=[*found, *outdated], read_at=now)
