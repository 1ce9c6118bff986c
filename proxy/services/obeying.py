"""Asking the proxies of a tier whether they obey what was laid over it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from proxy import schema, selectors
from proxy.domain import obedience
from proxy.domain.errors import ProxyUnreachable
from proxy.domain.obedience import Reading, Shown
from proxy.domain.patches import target_of
from proxy.ports import ProxyAdmin
from proxy.selectors import Served
from proxy.services.asking import asked


def obeyed(
    *, admin: ProxyAdmin, tier: str, patches: Sequence[Mapping[str, Any]], now: datetime
) -> dict[str, tuple[Reading, ...]]:
    """What each proxy of the tier, by its name, shows of each patch, beside the other overlays that are live.

    A proxy that does not answer shows nothing, and says so. Raises UnknownTier, UnknownTarget, Invalid.
    """
    served = selectors.served(tier, now=now)
    proxies = selectors.tier(tier).proxies
    shown = asked(lambda each: _shown(each.admin_address, patches, admin), proxies)
    return {
        each.name: tuple(_reading(served, patch, each.name, seen) for patch in patches)
        for each, seen in zip(proxies, shown, strict=True)
    }


def _shown(address: str, patches: Sequence[Mapping[str, Any]], admin: ProxyAdmin) -> Shown | ProxyUnreachable:
    names = dict.fromkeys(name for patch in patches for name in obedience.sections(patch))
    try:
        return Shown(admin.sections(address, names), admin.runtime(address))
    except ProxyUnreachable as error:
        return error


def _reading(
    served: Served, patch: Mapping[str, Any], proxy: str, shown: Shown | ProxyUnreachable
) -> Reading:
    if isinstance(shown, ProxyUnreachable):
        return Reading(f"not read: {shown}")
    target = target_of(patch)
    beside = [overlay.patch for overlay in served.overlays if overlay.target != target]
    plain = schema.bundled().plain
    return obedience.read(served.base, patch, beside=beside, proxy=proxy, shown=shown, plain=plain)
