"""One proxy's discovery stream as a state machine without I/O: requests and snapshots in, responses out.

State of the world, make before break. A snapshot is reached in three stages:

    1. clusters, endpoints, secrets, extensions: the new ones beside those that go
    2. when these are acknowledged: listeners, routes
    3. when these are acknowledged: clusters, endpoints, secrets, extensions without those that go

Runtime goes out at once in any stage: it moves weights between clusters that are there. A refused version is
not sent again, and what depends on it is not sent at all: the proxy keeps what it has until there is
something new. Each generation that still wants a refused version is refused with it.

A proxy that comes back with versions that were never made here, while this server is without its database,
keeps them until the database answers: they may be newer than what is known, such as a rollback. A proxy with
nothing, or with what was known here once, gets what there is.

Stage 1 keeps what the proxy got on this stream. A proxy that comes back says only the versions of what it
has, so a cluster that was removed while it was away goes before its routes do: they answer 503 for the
milliseconds until theirs are there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from proxy.ads.snapshot import KINDS, Resources, Snapshot, pack
from proxy.domain.translate import kinds

WILDCARD = (kinds.CLUSTER, kinds.LISTENER)
MADE_FIRST = (kinds.CLUSTER, kinds.ENDPOINTS, kinds.SECRET, kinds.EXTENSION)
THEN = (kinds.LISTENER, kinds.ROUTES)
# A cluster that changed waits for its endpoints even if these are the same, and does not ask for them: they
# are sent again behind every change of their clusters (15 s of warming otherwise). Routes likewise behind
# their listeners.
SENT_BEHIND = {kinds.ENDPOINTS: kinds.CLUSTER, kinds.ROUTES: kinds.LISTENER}


@dataclass(frozen=True, slots=True)
class Request:
    """A DiscoveryRequest's fields that matter. `error` is set where the proxy refuses the response of
    `nonce`.
    """

    kind: str
    names: tuple[str, ...]
    version: str = ""
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A DiscoveryResponse's fields."""

    kind: str
    version: str
    nonce: str
    resources: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The proxy refused resources of one kind."""

    generation: int
    kind: str
    reason: str


@dataclass(slots=True)
class _Subscription:
    """What the proxy asked for of one kind, and what it was given."""

    names: frozenset[str]
    sent: Resources | None = None
    nonce: str = ""
    acked_version: str = ""
    refused_version: str = ""
    refused_why: str = ""
    refused_for: int | None = None
    held: bool = False
    has: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def waiting(self) -> bool:
        """A response is out, neither acknowledged nor refused."""
        return self.sent is not None and self.sent.version not in (self.acked_version, self.refused_version)

    @property
    def may_have(self) -> dict[str, bytes]:
        """What it acknowledged last, and what is on its way to it."""
        on_its_way = self.sent.named if self.sent is not None and self.waiting else {}
        return {**self.has, **on_its_way}

    def acknowledge(self) -> None:
        if self.sent is not None:
            self.acked_version, self.refused_version, self.has = self.sent.version, "", self.sent.named

    def refuse(self, why: str) -> None:
        self.refused_version = self.sent.version if self.sent is not None else ""
        self.refused_why, self.refused_for = why, None


@dataclass(slots=True)
class Conversation:
    """The stream's state; `refusals` and `reached` are what there is to record."""

    snapshot: Snapshot | None = None
    refusals: list[Refusal] = field(default_factory=list)
    _subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    _nonces: int = 0

    def on_snapshot(self, snapshot: Snapshot) -> list[Response]:
        """There is something new to run."""
        self.snapshot = snapshot
        if not snapshot.stale:
            for subscription in self._subscriptions.values():
                subscription.held = False
        return list(self._advance())

    def on_request(self, request: Request) -> list[Response]:
        """The proxy asked, acknowledged or refused."""
        known = self._subscriptions.get(request.kind)
        names = frozenset(request.names)
        if known is None:
            # A proxy that comes back says what it has; where that is what it should have, nothing is sent.
            held = self._may_be_newer(request.version)
            self._subscriptions[request.kind] = _Subscription(names, acked_version=request.version, held=held)
            return list(self._advance())
        if request.nonce and request.nonce != known.nonce:
            return []  # an answer to a response that a later one has overtaken; that one's answer is to come
        if request.error is not None:
            known.refuse(request.error)
        elif request.nonce:
            known.acknowledge()
        asks_for_more = bool(names - known.names)
        known.names = names
        again = [self._send(request.kind, known, known.sent)] if asks_for_more and known.sent else []
        return [*again, *self._advance()]

    def _may_be_newer(self, version: str) -> bool:
        """Whether another server may have given this after what is known here."""
        if self.snapshot is None:
            return bool(version)
        return bool(version) and self.snapshot.stale and version not in self.snapshot.known

    @property
    def reached(self) -> int | None:
        """The generation whose every resource the proxy acknowledged, if it is the newest."""
        return self._reached(KINDS)

    @property
    def weights_reached(self) -> int | None:
        """The generation whose runtime layer the proxy acknowledged, if it is the newest.

        Weights and retry budgets are obeyed with it, whatever else of the generation the proxy refuses.
        """
        return self._reached((kinds.RUNTIME,))

    def _reached(self, some: tuple[str, ...]) -> int | None:
        if self.snapshot is None:
            return None
        done = all(self._settled(kind, self.snapshot.kinds[kind]) for kind in some)
        return self.snapshot.generation if done else None

    def _advance(self) -> Iterator[Response]:
        """Send what may be sent now. A stage begins when the one before it is acknowledged."""
        if self.snapshot is None:
            return
        goal = self.snapshot.kinds
        yield from self._offer(kinds.RUNTIME, goal[kinds.RUNTIME])
        last_stage = self._acked(THEN, goal)
        first = {kind: goal[kind] if last_stage else self._beside(kind, goal[kind]) for kind in MADE_FIRST}
        for kind in MADE_FIRST:
            yield from self._offer(kind, first[kind])
        if self._acked(MADE_FIRST, first):
            for kind in THEN:
                yield from self._offer(kind, goal[kind])

    def _beside(self, kind: str, wanted: Resources) -> Resources:
        """What is wanted, and what the proxy has and its routes may still point to."""
        subscription = self._subscriptions.get(kind)
        has = subscription.may_have if subscription else {}
        leaving = {name: value for name, value in has.items() if name not in wanted.named}
        return pack({**leaving, **wanted.named}) if leaving else wanted

    def _offer(self, kind: str, wanted: Resources) -> Iterator[Response]:
        subscription = self._subscriptions.get(kind)
        if subscription is None:
            return
        leader = self._subscriptions.get(SENT_BEHIND.get(kind, ""))
        follows = leader is not None and leader.waiting and leader.sent is not None
        given = subscription.sent.version if subscription.sent else subscription.acked_version
        refused = subscription.refused_version == wanted.version
        if given == wanted.version and not refused and not (follows and self._leads(kind, subscription)):
            if subscription.sent is None:
                subscription.sent = wanted  # it came back with the right version
                subscription.acknowledge()
                subscription.held = False
            return
        if subscription.held:
            return
        if subscription.refused_version != wanted.version:
            yield self._send(kind, subscription, wanted)
        else:
            self._record_refusal(kind, subscription)

    def _leads(self, kind: str, subscription: _Subscription) -> bool:
        """Whether the leader's newest response went out after this kind's."""
        leader = self._subscriptions[SENT_BEHIND[kind]]
        return int(leader.nonce or 0) > int(subscription.nonce or 0)

    def _send(self, kind: str, subscription: _Subscription, wanted: Resources) -> Response:
        self._nonces += 1
        subscription.sent, subscription.nonce = wanted, str(self._nonces)
        subscription.acked_version = ""
        everything = kind in WILDCARD
        chosen = [value for name, value in wanted.named.items() if everything or name in subscription.names]
        return Response(kind, wanted.version, subscription.nonce, tuple(chosen))

    def _record_refusal(self, kind: str, subscription: _Subscription) -> None:
        """Once a generation: who waits for this one must hear of a refusal that is older than it."""
        generation = self.snapshot.generation if self.snapshot else 0
        if subscription.refused_for != generation:
            subscription.refused_for = generation
            self.refusals.append(Refusal(generation, kind, subscription.refused_why))

    def _acked(self, some: tuple[str, ...], goal: Mapping[str, Resources]) -> bool:
        """Whether nothing of these kinds is outstanding.

        The first of them must have been asked for; another that was not, such as endpoints where all clusters
        resolve host names, cannot be outstanding.
        """
        asked = {kind: self._subscriptions[kind] for kind in some if kind in self._subscriptions}
        return some[0] in asked and all(
            subscription.acked_version == goal[kind].version for kind, subscription in asked.items()
        )

    def _settled(self, kind: str, wanted: Resources) -> bool:
        subscription = self._subscriptions.get(kind)
        if subscription is None:
            return not wanted.named
        complete = kind in WILDCARD or subscription.names >= set(wanted.named)
        return complete and subscription.acked_version == wanted.version
