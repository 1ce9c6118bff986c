"""Checks of a tier's defences: as it is declared, and as its proxies show that they run it.

A check looks at neutral pictures (`observing.Seen`), so that it says the same of a declaration, of a proxy
of Sluice's and of an Envoy that somebody else drives. It holds where every picture holds and one at least is
of a running proxy: what is only declared is not known to be obeyed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from proxy.domain.checks import clients, retries, upstreams
from proxy.domain.checks.looking import Look, Mend
from proxy.domain.observing import Seen
from proxy.domain.tier import Tier

__all__ = ["CHECKS", "Check", "Finding", "Look", "Mend", "Subject", "checked", "checked_retries"]

Scope = Literal["route", "upstream", "tier"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked: a tier as declared, if it is Sluice's, and what its proxies show, by name.

    `name` is the route or upstream that it is about; empty where it is the tier. `tiers` are all that are
    known, this one included: a request may go through several.
    """

    tier: Tier | None = None
    seen: Mapping[str, Seen] = field(default_factory=dict)
    name: str = ""
    tiers: Sequence[Tier] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """`holds` None is not known. `says` is one sentence. What would mend it: an overlay's `patch` until it is
    mended for good, and what to `declare`; both empty where it holds or nothing of the kind would help.
    """

    check: str
    title: str
    holds: bool | None
    says: str
    patch: Mapping[str, Any] | None = None
    declare: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """`look` judges one picture, `mend` says what to change of a declared tier."""

    title: str
    scope: Scope
    look: Callable[[Seen, str], Look]
    mend: Callable[[str], Mend]


CHECKS: dict[str, Check] = {
    "outlier_detection": Check("Outlier detection ejects", "upstream", upstreams.ejects, upstreams.to_eject),
    "circuit_breaker": Check("The pool is capped", "upstream", upstreams.capped, upstreams.to_cap),
    "bounded_queue": Check("The queue is short", "upstream", upstreams.queue, upstreams.to_shorten_queue),
    "streams_balanced": Check(
        "Streams are balanced, or connections end", "upstream", upstreams.balanced, upstreams.to_balance
    ),
    "connection_cycling": Check("Clients' connections end", "tier", clients.cycles, clients.to_cycle),
    "resumption": Check("Sessions are resumed", "tier", clients.resumes, clients.to_resume),
    "shared_ticket_keys": Check(
        "Ticket keys are shared", "tier", clients.shares_ticket_keys, clients.to_share_ticket_keys
    ),
    "slow_client_timeouts": Check(
        "Slow clients are cut", "tier", clients.cuts_slow_clients, clients.to_cut_slow_clients
    ),
    "connection_limit_per_address": Check(
        "Connections of one address are capped", "tier", clients.caps_addresses, clients.to_cap_addresses
    ),
}
SINGLE_LAYER = "single_layer_retries"
"""The check that looks at tiers in place of pictures: which of them a request goes through, they say."""
NAMES = (SINGLE_LAYER, *CHECKS)


def checked(name: str, subject: Subject) -> Finding:
    """What the check of this name says. Raises KeyError where there is none."""
    if name == SINGLE_LAYER:
        return checked_retries(subject)
    check = CHECKS[name]
    declared = {} if subject.tier is None else {"declared": pictured(subject.tier)}
    looks = {where: check.look(seen, subject.name) for where, seen in {**declared, **subject.seen}.items()}
    holds, says = _joined(looks, read_back=bool(subject.seen))
    mend = check.mend(subject.name) if holds is False else Mend()
    return Finding(name, check.title, holds, says, mend.patch, mend.declare)


def checked_retries(subject: Subject) -> Finding:
    """Whether one layer alone retries, over the tiers that a route's requests are known to go through."""
    title = "One layer retries"
    if subject.tier is None:
        return Finding(SINGLE_LAYER, title, None, "whose routes these are is not declared here")
    look, mend = retries.single_layer(subject.tier, subject.name, subject.tiers)
    return Finding(SINGLE_LAYER, title, look.holds, look.says, mend.patch, mend.declare)


def pictured(tier: Tier) -> Seen:
    """The declaration as a proxy that obeys it would show it, without its routes."""
    return clients.picture(tier)


def _joined(looks: Mapping[str, Look], *, read_back: bool) -> tuple[bool | None, str]:
    """What fails anywhere fails; else what is not known anywhere is not known."""
    if not looks:
        return None, "nothing was read"
    for wanted in (False, None):
        found = {where: look for where, look in looks.items() if look.holds is wanted}
        if found:
            where, look = next(iter(found.items()))
            return wanted, look.says if len(found) == len(looks) else f"{where}: {look.says}"
    says = list(looks.values())[-1].says
    return (True, says) if read_back else (None, f"{says}, as declared; no proxy was read")
