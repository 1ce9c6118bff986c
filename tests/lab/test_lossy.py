"""The lossy link: real packets of the kernel's own TCP and UDP, late, and some of them lost."""

import asyncio
import random
import struct
from typing import Any

import pytest

from lab.drills import lossy
from lab.drills.apart import told
from lab.drills.lossy import Link
from tests.lab.over_link import DATAGRAMS
from tests.support.lossy_link import own_network


def over_link(loss: float, delay_ms: float) -> dict[str, Any]:
    """What crossed such a link, and how."""
    under = own_network()
    found: dict[str, Any] = asyncio.run(told("tests.lab.over_link", str(loss), str(delay_ms), under=under))
    return found


@pytest.mark.real
def test_what_crosses_a_link_without_loss_is_late_and_all_there() -> None:
    found = over_link(0, 20)
    assert found["arrived"] == DATAGRAMS
    assert 0.04 <= found["round_trip"] < 0.3
    assert found["echoed"] is True


@pytest.mark.real
def test_a_lossy_link_loses_datagrams_and_tcp_sends_again() -> None:
    found = over_link(0.1, 1)
    assert 0.8 * DATAGRAMS < found["arrived"] < 0.97 * DATAGRAMS
    assert found["echoed"] is True


def packet(protocol: int) -> bytes:
    """The head of a packet of IPv4 from NEAR to FAR, with its sum."""
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20, 1, 0, 64, protocol, 0, b"\xc6\x12\x00\x01", b"\xc6\x12\x00\x02"
    )
    return head[:10] + struct.pack(">H", 0xFFFF - total(head)) + head[12:]


def total(head: bytes) -> int:
    """RFC 1071: the sum in ones' complement, which is 0xffff over a head that is whole."""
    found: int = sum(struct.unpack(">10H", head))
    return (found & 0xFFFF) + (found >> 16)


def test_a_packet_comes_back_as_from_the_other_side_and_its_sum_still_holds() -> None:
    sent = packet(6)
    came = lossy.returned(sent)
    assert (came[12:16], came[16:20]) == (sent[16:20], sent[12:16])
    assert total(sent) == total(came) == 0xFFFF


def test_a_link_counts_what_it_drops_from_when_it_begins_to() -> None:
    random.seed(7)
    link = Link(loss=0.5, delay=0, losing=False)
    assert all(link.takes(packet(17)) for _ in range(50))
    link.begin_to_lose()
    arrived = sum(link.takes(packet(6)) is not None for _ in range(400))
    assert 160 < arrived < 240
    assert link.as_json() == {"carried": {"tcp": arrived}, "dropped": {"tcp": 400 - arrived}}


def test_a_link_without_bounds_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert lossy.main(["--loss", "0.9", "--delay-ms", "10"]) == 2
    assert "--loss is 0 to 0.5" in capsys.readouterr().err
