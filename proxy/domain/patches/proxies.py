"""What an overlay says of a proxy."""

from typing import Literal

from proxy.domain.errors import UnknownTarget
from proxy.domain.patches.laying import Change
from proxy.domain.tier import Tier


class DrainProxy(Change):
    """A proxy is to be left: it says so where it is asked for its health, and closes connections gently.

    Nothing that is served changes: the proxy is told by its admin interface.
    """

    kind: Literal["drain_proxy"] = "drain_proxy"
    proxy: str

    @property
    def target(self) -> str:
        return f"proxy/{self.proxy}/drain"

    @property
    def words(self) -> str:
        return f"have {self.proxy} left"

    def check(self, tier: Tier) -> None:
        if tier.proxy(self.proxy) is None:
            raise UnknownTarget(f"tier {tier.name} has no proxy {self.proxy}")

    def over(self, tier: Tier) -> Tier:
        return tier
