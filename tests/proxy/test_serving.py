"""Who is connected to which of several ADS servers, by what each of them tells."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from audit.domain.actor import Actor
from proxy import selectors, services
from proxy.selectors import ProxyRow
from tests.proxy.factories import document

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def declared() -> None:
    services.apply(document=document(), by=Actor("ann", "cli"), reason="", now=NOW)


def connect(server: str, now: datetime = NOW) -> None:
    services.record_connection(tier="edge", proxies=["edge-1"], server=server, now=now)


def proxy() -> ProxyRow:
    return selectors.tier("edge").proxies[0]


def test_the_server_that_a_proxy_left_cannot_say_that_it_is_disconnected() -> None:
    connect("a:18000")
    connect("b:18000")
    services.record_disconnection(tier="edge", proxies=["edge-1"], server="a:18000", now=NOW)
    assert proxy().connected_to == "b:18000"
    services.record_disconnection(tier="edge", proxies=["edge-1"], server="b:18000", now=NOW)
    assert not proxy().connected


def test_a_server_that_starts_clears_its_own_name_only() -> None:
    connect("b:18000")
    services.record_start(server="a:18000")
    assert proxy().connected
    services.record_start(server="b:18000")
    assert not proxy().connected


def test_a_server_that_fell_silent_has_no_proxies_by_the_word_of_any_other() -> None:
    connect("a:18000")
    services.record_silence(now=NOW + timedelta(seconds=9))
    assert proxy().connected
    services.record_silence(now=NOW + timedelta(seconds=11))
    assert not proxy().connected


def test_a_proxy_that_was_given_up_too_early_is_connected_with_its_server_s_next_word() -> None:
    connect("a:18000")
    services.record_silence(now=LATER)
    services.record_seen(tier="edge", proxies=["edge-1"], server="a:18000", now=LATER)
    assert proxy().connected_to == "a:18000"


def test_an_older_refusal_does_not_hide_a_newer_one() -> None:
    refused = partial(services.record_nack, tier="edge", proxy="edge-1", kind="listener", now=NOW)
    refused(generation=7, reason="new")
    refused(generation=6, reason="old")
    assert proxy().nack_reason == "new"
