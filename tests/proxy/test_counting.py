"""Who may hold one connection more."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.counting import OpenConnections, client_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALICE, BOB = "192.0.2.1", "192.0.2.2"


def open_from(counter: OpenConnections, address: str, *ports: int, most: int = 2) -> list[bool]:
    return [counter.admit(address, ("edge-1", 443, port), most=most, now=NOW) for port in ports]


def test_a_client_holds_so_many_and_another_is_not_touched() -> None:
    counter = OpenConnections()
    assert open_from(counter, ALICE, 1, 2, 3) == [True, True, False]
    assert open_from(counter, BOB, 1, 2) == [True, True]
    assert (counter.total, counter.refused, counter.clients) == (4, 1, 2)


def test_what_ends_makes_room_and_what_was_refused_changes_nothing() -> None:
    counter = OpenConnections()
    open_from(counter, ALICE, 1, 2, 3)
    counter.close(ALICE, ("edge-1", 443, 3))
    assert open_from(counter, ALICE, 4) == [False]
    counter.close(ALICE, ("edge-1", 443, 1))
    assert open_from(counter, ALICE, 4) == [True]


def test_the_same_ports_on_two_proxies_are_two_connections() -> None:
    counter = OpenConnections()
    assert counter.admit(ALICE, ("edge-1", 443, 1), most=2, now=NOW)
    assert counter.admit(ALICE, ("edge-2", 443, 1), most=2, now=NOW)
    assert counter.total == 2


def test_a_full_counter_lets_in_and_counts_nothing() -> None:
    counter = OpenConnections(capacity=1)
    assert open_from(counter, ALICE, 1, 2, 3) == [True, True, True]
    assert (counter.total, counter.uncounted) == (1, 2)


def test_a_client_s_connections_are_told_by_tier() -> None:
    counter = OpenConnections()
    for port, proxy in enumerate(("edge/edge-1", "edge/edge-2", "inner/one")):
        counter.admit(ALICE, (proxy, 443, port), most=9, now=NOW)
    assert counter.by_tier(ALICE) == {"edge": 2, "inner": 1}
    assert counter.by_tier(BOB) == {}


def test_a_proxy_that_is_gone_holds_nothing() -> None:
    counter = OpenConnections()
    open_from(counter, ALICE, 1, 2)
    counter.admit(ALICE, ("edge-2", 443, 1), most=3, now=NOW)
    counter.forget_proxy("edge-1")
    assert counter.most_open(5) == [(ALICE, 1)]


def test_what_began_too_long_ago_is_taken_to_be_over() -> None:
    counter = OpenConnections()
    open_from(counter, ALICE, 1, 2)
    counter.forget_before(NOW + timedelta(seconds=1))
    assert (counter.total, counter.clients) == (0, 0)


def test_an_ipv6_subscriber_is_one_client_and_a_mapped_address_is_itself() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert client_of("::ffff:192.0.2.1") == client_of(ALICE) == ALICE
    assert client_of("not an address") == "not an address"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([ALICE, BOB]), st.integers(1, 5))))
def test_the_count_is_what_is_open(steps: list[tuple[bool, str, int]]) -> None:
    """Whatever comes and goes, the total is the sum of the clients', and none is above the cap."""
    counter = OpenConnections()
    for opens, address, port in steps:
        ends = ("edge-1", 443, port)
        if opens:
            counter.admit(address, ends, most=3, now=NOW)
        else:
            counter.close(address, ends)
        held = counter.most_open(9)
        assert counter.total == sum(number for _, number in held)
        assert all(0 < number <= 3 for _, number in held)
