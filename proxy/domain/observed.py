"""A tier that is watched and not driven: whose Envoys, and how Prometheus names their series."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from proxy.domain.tier import Declared, Name, Tier
from telemetry.domain.plain import Watched
from telemetry.domain.promql import equal, literal, matching

DRIVEN_ONLY = sorted(set(Tier.model_fields) - {"name", "proxies"})
Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
HostAndPort = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")]


class ObservedProxy(Declared):
    """One Envoy. `admin` is `host:port` of its admin interface, where its configuration is read; `series` is
    the value of the tier's `proxy_label` on its series, by default the same.
    """

    name: Name
    admin: HostAndPort | None = None
    series: str = ""

    @property
    def label(self) -> str:
        return self.series or self.admin or self.name


class ObservedTier(Declared):
    """Proxies that somebody else drives. Sluice asks Prometheus and their admin interfaces, and acts on none.

    `labels` find the tier's series, by default `tier: NAME`; `proxy_label` tells its proxies apart.
    `ignore_managers` are the `stat_prefix` of connection managers that serve no client.
    """

    name: Name
    observed: Literal[True]
    labels: dict[Label, str] = {}
    proxy_label: Label = "instance"
    proxies: tuple[ObservedProxy, ...] = Field(min_length=1)
    ignore_managers: tuple[str, ...] = ("admin",)

    @model_validator(mode="before")
    @classmethod
    def _nothing_that_drives(cls, given: Any) -> Any:
        found = [key for key in DRIVEN_ONLY if isinstance(given, dict) and key in given]
        if found:
            raise ValueError(f"an observed tier is not driven: leave out {', '.join(found)}")
        return given

    @model_validator(mode="after")
    def _proxies_are_told_apart(self) -> Self:
        for what, values in (
            ("name", [proxy.name for proxy in self.proxies]),
            ("series", [proxy.label for proxy in self.proxies]),
        ):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"proxies with the same {what}: {', '.join(twice)}")
        return self

    def watched(self, clusters: tuple[str, ...] = ()) -> Watched:
        """How its series are found; `clusters` are those that no route leads to."""
        labels = self.labels or {"tier": self.name}
        matchers = tuple(equal(label, value) for label, value in labels.items())
        known = "|".join(sorted(literal(proxy.label) for proxy in self.proxies))
        return Watched(
            matchers=(*matchers, matching(self.proxy_label, known)),
            proxy_label=self.proxy_label,
            managers=self.ignore_managers,
            clusters=clusters,
        )

    def declaration(self) -> dict[str, Any]:
        """As a person would write it: without what equals a default."""
        written = self.model_dump(mode="json", exclude_defaults=True)
        return {"name": written.pop("name"), "observed": True, **written}


def is_one(raw: Any) -> bool:
    """Whether a tier's declaration says that it is observed."""
    return isinstance(raw, Mapping) and "observed" in raw and raw["observed"] is not False
