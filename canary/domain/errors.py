"""What a rollout refuses. Each names the field of the request that it is about."""


class Refused(Exception):
    """The request cannot be carried out; nothing was changed. `field` names what is wrong with it."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field
        self.why = why


class UnknownRoute(Refused):
    """There is no such route."""


class UnknownUpstream(Refused):
    """The route's tier has no such upstream."""


class LiveRollout(Refused):
    """The route has a rollout that has not ended."""


class Held(Refused):
    """Somebody else holds the route's weights."""


class Frozen(Refused):
    """A budget, a freeze window or too little room lets no canary have more traffic now."""


class NotNow(Refused):
    """The present state does not allow it: the split is another one by now, or nothing is left to do."""


class Stale(Refused):
    """Somebody took the rollout to another step since the person looked at it."""


class KeyReused(Refused):
    """The key started another rollout: another route, upstream, plan or mode."""


class UnknownRelease(Refused, LookupError):
    """There is no release with this number."""


class UnknownRollout(Refused, LookupError):
    """There is no rollout with this number."""


class NothingKept(Refused, LookupError):
    """Of the rollout's ticks none is kept from which it could be judged again."""
