"""The discovery stream without a network: what is sent when."""

from dataclasses import replace
from typing import Any

from proxy.ads.conversation import Conversation, Request, Response
from proxy.ads.snapshot import KINDS, Snapshot, pack
from proxy.domain.translate import kinds

NAMES = {
    kinds.ENDPOINTS: ("a", "b"),
    kinds.ROUTES: ("edge",),
    kinds.SECRET: ("s",),
    kinds.EXTENSION: ("e",),
    kinds.RUNTIME: ("sluice",),
}
CONTENT = {
    kinds.RUNTIME: {"sluice": b"1"},
    kinds.CLUSTER: {"a": b"1"},
    kinds.ENDPOINTS: {"a": b"1"},
    kinds.SECRET: {"s": b"1"},
    kinds.EXTENSION: {"e": b"1"},
    kinds.LISTENER: {"l": b"1"},
    kinds.ROUTES: {"edge": b"1"},
}


def snapshot(generation: int = 1, **changed: dict[str, bytes]) -> Snapshot:
    named = {**CONTENT, **{getattr(kinds, key): value for key, value in changed.items()}}
    return Snapshot(generation, {kind: pack(named[kind]) for kind in KINDS})


class Proxy:
    """Plays Envoy: asks for everything, and answers what it is told to."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.out: list[Response] = []

    def ask(self, kind: str, **fields: Any) -> None:
        names = NAMES.get(kind, ())
        self.out += self.conversation.on_request(Request(kind, names, **fields))

    def take(self) -> list[Response]:
        """What was sent since the last time, by kind in order."""
        sent, self.out = self.out, []
        return sent

    def get(self, new: Snapshot) -> list[Response]:
        self.out += self.conversation.on_snapshot(new)
        return self.take()

    def ack(self, response: Response) -> None:
        self.ask(response.kind, version=response.version, nonce=response.nonce)

    def nack(self, response: Response) -> None:
        self.ask(response.kind, nonce=response.nonce, error="no good")


def kinds_of(responses: list[Response]) -> list[str]:
    return [response.kind for response in responses]


def refusals(proxy: Proxy) -> list[tuple[int, str]]:
    return [(refusal.generation, refusal.reason) for refusal in proxy.conversation.refusals]


def acked_all(proxy: Proxy, responses: list[Response]) -> list[Response]:
    """Acknowledge, and what that brings, until there is nothing more; returns all that was sent."""
    every = list(responses)
    while responses:
        for response in responses:
            proxy.ack(response)
        responses = proxy.take()
        every += responses
    return every


def settled(new: Snapshot | None = None) -> Proxy:
    proxy = Proxy(Conversation(new or snapshot()))
    for kind in KINDS:
        proxy.ask(kind)
    acked_all(proxy, proxy.take())
    return proxy


def test_clusters_come_before_the_routes_that_need_them() -> None:
    proxy = Proxy(Conversation(snapshot()))
    for kind in reversed(KINDS):
        proxy.ask(kind)
    sent = acked_all(proxy, proxy.take())
    order = kinds_of(sent)
    assert order.index(kinds.CLUSTER) < order.index(kinds.LISTENER) < order.index(kinds.ROUTES)
    assert proxy.conversation.reached == 1


def test_nothing_is_reached_before_everything_is_acknowledged() -> None:
    proxy = Proxy(Conversation(snapshot()))
    for kind in KINDS:
        proxy.ask(kind)
    assert proxy.conversation.reached is None


def test_routes_wait_until_the_new_cluster_is_acknowledged() -> None:
    proxy = settled()
    new = snapshot(2, CLUSTER={"a": b"1", "b": b"1"}, ENDPOINTS={"a": b"1", "b": b"1"}, ROUTES={"edge": b"2"})
    sent = proxy.get(new)
    assert kinds_of(sent) == [kinds.CLUSTER, kinds.ENDPOINTS]
    assert kinds.ROUTES in kinds_of(acked_all(proxy, sent))
    assert proxy.conversation.reached == 2


def test_a_weight_is_sent_at_once_even_while_clusters_are_under_way() -> None:
    proxy = settled()
    proxy.get(snapshot(2, CLUSTER={"a": b"2"}))
    sent = proxy.get(snapshot(3, CLUSTER={"a": b"2"}, RUNTIME={"sluice": b"2"}))
    assert kinds_of(sent) == [kinds.RUNTIME]


def test_a_cluster_that_goes_stays_until_no_route_points_to_it() -> None:
    proxy = settled(snapshot(CLUSTER={"a": b"1", "b": b"1"}, ENDPOINTS={"a": b"1", "b": b"1"}))
    sent = proxy.get(snapshot(2, ROUTES={"edge": b"2"}))
    assert kinds_of(sent) == [kinds.ROUTES]
    proxy.ack(sent[0])
    after = proxy.take()
    assert kinds_of(after) == [kinds.CLUSTER, kinds.ENDPOINTS]
    assert after[0].resources == (b"1",)
    acked_all(proxy, after)
    assert proxy.conversation.reached == 2


def test_endpoints_follow_a_changed_cluster_though_they_are_the_same() -> None:
    proxy = settled()
    assert kinds_of(proxy.get(snapshot(2, CLUSTER={"a": b"2"}))) == [kinds.CLUSTER, kinds.ENDPOINTS]


def test_what_was_refused_is_recorded_and_not_sent_again() -> None:
    proxy = settled()
    (sent,) = proxy.get(snapshot(2, ROUTES={"edge": b"bad"}))
    proxy.nack(sent)
    assert proxy.take() == []
    assert proxy.get(snapshot(3, ROUTES={"edge": b"bad"})) == []
    assert refusals(proxy) == [(2, "no good"), (3, "no good")]
    assert proxy.conversation.reached is None


def test_a_later_generation_that_wants_what_was_refused_is_refused_with_it() -> None:
    proxy = settled()
    listener, _ = proxy.get(snapshot(2, LISTENER={"l": b"bad"}))
    proxy.nack(listener)
    (weights,) = proxy.get(snapshot(3, LISTENER={"l": b"bad"}, RUNTIME={"sluice": b"2"}))
    proxy.ack(weights)
    assert refusals(proxy) == [(2, "no good"), (3, "no good")]
    assert proxy.conversation.reached is None


def test_weights_are_reached_though_a_listener_is_refused() -> None:
    proxy = settled()
    listener, _ = proxy.get(snapshot(2, LISTENER={"l": b"bad"}))
    proxy.nack(listener)
    (weights,) = proxy.get(snapshot(3, LISTENER={"l": b"bad"}, RUNTIME={"sluice": b"2"}))
    assert proxy.conversation.weights_reached is None
    proxy.ack(weights)
    assert proxy.conversation.weights_reached == 3


def test_a_refusal_of_what_a_later_generation_mends_is_not_that_generations() -> None:
    proxy = settled()
    listener, _ = proxy.get(snapshot(2, LISTENER={"l": b"bad"}))
    mended = proxy.get(snapshot(3, CLUSTER={"a": b"2"}, LISTENER={"l": b"good"}))
    proxy.nack(listener)
    assert refusals(proxy) == []
    acked_all(proxy, mended)
    assert proxy.conversation.reached == 3


def test_a_good_version_after_a_refused_one_is_reached() -> None:
    proxy = settled()
    (sent,) = proxy.get(snapshot(2, ROUTES={"edge": b"bad"}))
    proxy.nack(sent)
    acked_all(proxy, proxy.get(snapshot(3, ROUTES={"edge": b"good"})))
    assert proxy.conversation.reached == 3


def test_a_refused_cluster_holds_its_routes_back_and_is_not_kept_beside_the_next() -> None:
    proxy = settled()
    sent = proxy.get(snapshot(2, CLUSTER={"a": b"1", "bad": b"x"}, ROUTES={"edge": b"2"}))
    proxy.nack(sent[0])
    assert kinds.ROUTES not in kinds_of(proxy.take())
    (clusters, *_) = proxy.get(snapshot(3, CLUSTER={"a": b"1", "good": b"1"}, ROUTES={"edge": b"2"}))
    assert set(clusters.resources) == {b"1"}
    assert len(clusters.resources) == 2


def test_an_answer_to_an_overtaken_response_is_ignored() -> None:
    proxy = settled()
    (old,) = proxy.get(snapshot(2, RUNTIME={"sluice": b"2"}))
    (new,) = proxy.get(snapshot(3, RUNTIME={"sluice": b"3"}))
    proxy.ack(old)
    assert proxy.conversation.reached is None
    proxy.ack(new)
    assert proxy.conversation.reached == 3


def test_a_proxy_that_asks_for_more_names_is_answered_at_the_same_version() -> None:
    conversation = Conversation(snapshot(ENDPOINTS={"a": b"1", "b": b"2"}))
    (first,) = conversation.on_request(Request(kinds.ENDPOINTS, ("a",)))
    assert first.resources == (b"1",)
    (more,) = conversation.on_request(
        Request(kinds.ENDPOINTS, ("a", "b"), version=first.version, nonce=first.nonce)
    )
    assert (more.version, more.resources) == (first.version, (b"1", b"2"))


def test_a_proxy_that_comes_back_with_the_right_versions_is_sent_nothing() -> None:
    held = snapshot()
    proxy = Proxy(Conversation(held))
    for kind in KINDS:
        proxy.ask(kind, version=held.kinds[kind].version)
    assert proxy.take() == []
    assert proxy.conversation.reached == 1


def test_an_equal_configuration_under_a_new_generation_is_reached_without_a_word() -> None:
    proxy = settled()
    assert proxy.get(snapshot(2)) == []
    assert proxy.conversation.reached == 2


def test_a_stale_server_takes_nothing_from_a_proxy_that_has_something_and_gives_to_one_that_has_not() -> None:
    stale = replace(snapshot(), stale=True)
    back, new = Proxy(Conversation(stale)), Proxy(Conversation(stale))
    back.ask(kinds.RUNTIME, version="of another server")
    new.ask(kinds.RUNTIME)
    assert back.take() == []
    assert kinds_of(new.take()) == [kinds.RUNTIME]
    assert kinds_of(back.get(snapshot(2))) == [kinds.RUNTIME]


def test_what_runs_out_on_a_stale_server_is_taken_from_a_proxy_that_had_just_what_is_known_there() -> None:
    stale = replace(snapshot(), stale=True)
    proxy = Proxy(Conversation(stale))
    proxy.ask(kinds.RUNTIME, version=stale.kinds[kinds.RUNTIME].version)
    expired = replace(snapshot(1, RUNTIME={"sluice": b"2"}), stale=True)
    assert kinds_of(proxy.get(expired)) == [kinds.RUNTIME]


def test_a_stale_server_takes_what_it_once_knew_from_a_proxy_that_still_has_it() -> None:
    ran_out = snapshot().kinds[kinds.RUNTIME].version
    newest = snapshot(1, RUNTIME={"sluice": b"2"})
    proxy = Proxy(Conversation(replace(newest, stale=True, known=frozenset({ran_out}))))
    proxy.ask(kinds.RUNTIME, version=ran_out)
    assert kinds_of(proxy.take()) == [kinds.RUNTIME]
