"""Copies of a route's requests, sent to an upstream whose answers nobody gets."""

from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from proxy.domain.tier.fields import WEIGHT_TOTAL, Declared, Name

IDEMPOTENT_METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")
"""Of these a request may be sent twice and is as if it were sent once."""
_CLUSTER = "sluice_mirror_"


class Mirror(Declared):
    """`share` in basis points of the requests that the weights draw is sent to `upstream` once more.

    `any_method` says that a copy does no harm whatever the request's method: it writes nowhere, or elsewhere.
    """

    upstream: Name
    share: Annotated[int, Field(gt=0, le=WEIGHT_TOTAL)]
    any_method: bool = False

    def cluster(self, route: str) -> str:
        """The copies' own pool: they fill nobody's, and what they meet is counted apart, by route."""
        return f"{_CLUSTER}{route}_{self.upstream}"

    @property
    def told(self) -> tuple[str, str]:
        """As a proxy that runs it shows it: see `Arm.told`."""
        return self.upstream, copies_of(self.share)


def mirrored_of(cluster: str) -> str:
    """The upstream whose copies a cluster gets."""
    return cluster.removeprefix(_CLUSTER).rpartition("_")[2]


def copies_of(share: int) -> str:
    return f"copies of {share} in {WEIGHT_TOTAL}"


def refusal(mirror: Mirror, methods: Collection[str], idempotency: str) -> str:
    """Why requests with these methods, none for all, are not to be sent twice; empty where they may."""
    harmless = bool(methods) and set(methods) <= set(IDEMPOTENT_METHODS)
    if mirror.any_method or harmless or idempotency == "always":
        return ""
    return (
        "would send requests twice that are not idempotent: give the route methods of"
        f" {', '.join(IDEMPOTENT_METHODS)} only, or say any_method: true where a copy does no harm"
    )
