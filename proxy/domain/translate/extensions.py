"""Filters whose configuration holds what no row may: resources of their own beside the listeners."""

from dataclasses import replace
from typing import Any

from proxy.domain.tier import Tier
from proxy.domain.translate import identity
from proxy.domain.translate.secrets import Material


def extensions(tier: Tier, material: Material) -> list[dict[str, Any]]:
    """Those that the tier's listeners point to and whose files can be read now."""
    return [*identity.extensions(tier, material)]


def withheld(tier: Tier, material: Material) -> frozenset[str]:
    """The names of those that are pointed to and not served."""
    everything = extensions(tier, replace(material, withheld=frozenset()))
    served = {extension["name"] for extension in extensions(tier, material)}
    return frozenset(extension["name"] for extension in everything if extension["name"] not in served)
