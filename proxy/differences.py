"""Describes what a declaration or an overlay would change, in Envoy's terms."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from proxy import models, selectors, validation
from proxy.domain.difference import Change, untold
from proxy.domain.difference import difference as changes_between
from proxy.domain.patches import apply_patches
from proxy.domain.tier import Tier
from proxy.domain.translate import Resources, at_once, of_proxy, of_tier
from proxy.domain.translate.runtime import beneath


def plan(declared: Tier) -> tuple[Change, ...]:
    """What publishing the declared tier would change in the base: in Envoy's terms, then objectives, the
    budget policy and runbooks.
    """
    known = models.Revision.objects.filter(tier__name=declared.name)
    return between(selectors.base(declared.name) if known.exists() else None, declared)


def between(old: Tier | None, new: Tier) -> tuple[Change, ...]:
    """What differs between two base configurations: in Envoy's terms, then objectives, policy, runbooks."""
    return (*_changes(old, new), *untold(old, new))


def difference(tier: str, patches: Iterable[Mapping[str, Any]], *, now: datetime) -> tuple[Change, ...]:
    """What these patches would change in what is served now, in Envoy's terms.

    Raises UnknownTier, UnknownTarget, Invalid.
    """
    current = selectors.served(tier, now=now)
    return _changes(current.live, apply_patches(current.live, patches), base=current.base)


def _changes(old: Tier | None, new: Tier, *, base: Tier | None = None) -> tuple[Change, ...]:
    """Each change once, though the proxies' listeners are resources of their own."""
    after = _alike(base or new, new)
    before = _alike(base or old, old) if old else {}
    found = list(changes_between(before, after))
    for proxy in dict.fromkeys(proxy.name for tier in (old, new) if tier for proxy in tier.proxies):
        before = of_proxy(old, proxy, validation.BLANK) if old else {}
        found += changes_between(before, of_proxy(new, proxy, validation.BLANK))
    return tuple(dict.fromkeys(found))


def _alike(base: Tier, live: Tier) -> Resources:
    """What the proxies have alike; the secrets without what is secret."""
    return {**of_tier(base, beneath(base, live), validation.BLANK), **at_once(base, live)}
