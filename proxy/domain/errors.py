"""What can go wrong between a declaration and a proxy."""

from collections.abc import Iterable

Problem = tuple[str, str]
"""A path in the document, such as `tiers[0].routes[1].timeout`, and what is wrong there."""


class ProxyError(Exception):
    """Anything that this app refuses."""


class Invalid(ProxyError):
    """A declaration, a patch or the resources made from them are wrong; nothing was changed."""

    def __init__(self, errors: Iterable[Problem]) -> None:
        self.errors: list[Problem] = list(errors)
        super().__init__("; ".join(f"{path}: {message}" for path, message in self.errors))


class Unfit(ProxyError, ValueError):
    """A file is not what its place asks for: the message completes the sentence that begins with its name.

    It holds nothing of what is in the file.
    """


class UnknownTier(ProxyError, LookupError):
    """No tier has this name."""


class NotDriven(UnknownTier):
    """The tier is observed: it is there to be looked at, and whoever would act on it is told so."""

    def __init__(self, tier: str) -> None:
        super().__init__(
            f"tier {tier} is observed: Sluice watches it and changes nothing there, so no declaration, "
            "overlay, rollout or runbook can act on it"
        )


class UnknownRoute(ProxyError, LookupError):
    """No route has this name or number, or the name stands in several tiers."""


class UnknownRevision(ProxyError, LookupError):
    """The tier has no revision of this number."""


class Overtaken(ProxyError):
    """A declaration was made from a revision that is no longer the newest; nothing was changed.

    `changes` are what was published since, a line each: they would have been lost.
    """

    def __init__(self, tier: str, made_from: int, newest: int, by: str, changes: Iterable[str]) -> None:
        self.tier, self.made_from, self.newest, self.by = tier, made_from, newest, by
        self.changes = tuple(changes)
        super().__init__(
            f"tier {tier}: made from revision {made_from}, but {by} has published revision {newest} since. "
            f"Take up what that changed, and publish from revision {newest}"
        )


class UnknownUpstream(ProxyError, LookupError):
    """No upstream has this name or number, or the name stands in several tiers."""


class UnknownTarget(ProxyError, LookupError):
    """The string names nothing in this tier that an overlay may change."""


class TargetTaken(ProxyError):
    """Another owner holds the target."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        super().__init__(f"held by {owner}")


class StaleFence(ProxyError):
    """The fence is below the target's floor, or a later lease was given out."""


class Unreadable(ProxyError):
    """A file of keys or certificates that Sluice itself keeps is damaged."""


class RotationRefused(ProxyError):
    """A rotation of session ticket keys would come too early."""


class ProxyUnreachable(ProxyError):
    """A proxy's admin interface gives no answer."""
