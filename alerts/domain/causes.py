"""Causes and how they join: signals of one family on one target share one incident.

The earlier cause explains the later ones: a broken canary makes the retries, the retries spend the
budget, fast or slowly. The incident bears the first cause in this order, and only that cause starts a run.
"""

FAMILIES: dict[str, tuple[str, ...]] = {
    "service": ("canary", "brownout", "retry_storm", "hotspot", "slo_burn", "slo_ticket"),
    "proxy": ("cpu", "slow_client", "tls", "added_latency", "creep"),
    "automation": ("automation",),
}


def family(cause: str) -> str:
    """The family that `cause` belongs to; a cause that is not listed is a family of its own."""
    return next((name for name, causes in FAMILIES.items() if cause in causes), cause)


def explains(first: str, second: str) -> bool:
    """True when `first` is a cause of `second`: same family, and earlier in its order."""
    causes = FAMILIES.get(family(first), ())
    return first in causes and second in causes and causes.index(first) < causes.index(second)


def parent(first: str, second: str) -> str:
    """The one of two joined causes that explains the other; `first` when neither does."""
    return second if explains(second, first) else first
