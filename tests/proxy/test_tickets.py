"""Session ticket keys: which step is due, and that each is taken once, from the files as they are."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import selectors as audit
from audit.domain.actor import Actor
from proxy import models, selectors, services, tickets
from proxy.domain.errors import RotationRefused
from proxy.domain.tickets import (
    MOST_RETIRED,
    PATIENCE,
    Ring,
    TicketKey,
    dropped,
    encrypted,
    joined,
    next_step,
)
from proxy.domain.tier import SessionTickets
from tests.proxy.factories import document

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BY = Actor("ann", "cli")
DEFAULT = SessionTickets()
FIRST, SECOND = b"1" * 80, b"2" * 80


def after(**passed: float) -> datetime:
    return NOW + timedelta(**passed)


def ring() -> Ring:
    return Ring(TicketKey(FIRST, NOW))


def joining() -> Ring:
    return joined(ring(), SECOND, generation=7, now=NOW)


def step(given: Ring, now: datetime, *, everybody_has_it: bool = True) -> str | None:
    return next_step(given, DEFAULT, everybody_has_it=everybody_has_it, now=now)


def test_a_key_is_followed_when_it_is_twelve_hours_old() -> None:
    assert step(ring(), after(hours=11.9)) is None
    assert step(ring(), after(hours=12)) == "join"


def test_a_new_key_decrypts_first_and_encrypts_when_every_proxy_has_it() -> None:
    assert joining().served == (FIRST, SECOND)
    assert step(joining(), after(days=9), everybody_has_it=False) is None
    assert step(joining(), NOW) == "encrypt"
    assert encrypted(joining(), now=NOW).served == (SECOND, FIRST)


def test_an_old_key_goes_when_the_last_ticket_that_it_made_has_run_out() -> None:
    given = encrypted(joining(), now=NOW)
    assert step(given, after(hours=11)) is None
    assert step(replace(given, encrypting=TicketKey(SECOND, after(hours=20))), after(hours=24)) == "drop"
    assert dropped(given, DEFAULT, now=after(hours=23)).served == (SECOND, FIRST)
    assert dropped(given, DEFAULT, now=after(hours=24)).served == (SECOND,)


def test_the_file_keeps_all_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    given = encrypted(joining(), now=NOW)
    tickets.write(tmp_path, "edge", given)
    assert tickets.read(tmp_path, "edge") == given
    assert (tmp_path / "edge" / tickets.FILE).stat().st_mode & 0o777 == 0o600


def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    first = tickets.ensure(tmp_path, "edge", now=NOW)
    assert len(first.encrypting.secret) == 80
    assert tickets.ensure(tmp_path, "edge", now=after(days=1)) == first


@pytest.fixture
def directory(tmp_path: Path, db: None) -> Path:
    """A declared tier's keys on disk."""
    services.apply(document=document(), by=BY, reason="", now=NOW)
    tickets.ensure(tmp_path, "edge", now=NOW)
    return tmp_path


def rotate(directory: Path, *, force: bool = False) -> int:
    given: dict[str, Any] = {"tier": "edge", "directory": directory, "by": BY, "reason": "leaked"}
    return services.rotate_tickets(**given, now=NOW, force=force)


def turn(directory: Path, now: datetime = NOW) -> int | None:
    return services.turn_tickets(tier="edge", settings=DEFAULT, directory=directory, now=now)


def acknowledge(proxy: str, generation: int) -> None:
    services.record_connection(tier="edge", proxies=[proxy], now=NOW)
    services.record_ack(tier="edge", proxies=[proxy], generation=generation, now=NOW)


def test_a_rotation_waits_for_the_last_proxy(directory: Path) -> None:
    generation = rotate(directory)
    acknowledge("edge-1", generation)
    assert turn(directory) is None
    acknowledge("edge-2", generation)
    before = tickets.read(directory, "edge")
    assert turn(directory) == generation + 1
    assert tickets.read(directory, "edge").served == (before.served[1], before.served[0])
    assert turn(directory) is None


def test_who_is_away_is_not_waited_for_longer_than_an_hour(directory: Path) -> None:
    acknowledge("edge-1", rotate(directory))
    assert turn(directory, NOW + PATIENCE - timedelta(seconds=1)) is None
    assert turn(directory, NOW + PATIENCE) is not None


def test_who_is_connected_and_silent_is_waited_for(directory: Path) -> None:
    acknowledge("edge-1", rotate(directory))
    services.record_connection(tier="edge", proxies=["edge-2"], now=NOW)
    assert turn(directory, after(days=1)) is None


def test_a_second_rotation_is_refused_until_every_proxy_has_the_first(directory: Path) -> None:
    generation = rotate(directory)
    before = tickets.read(directory, "edge")
    acknowledge("edge-1", generation)
    for force in (False, True):
        with pytest.raises(RotationRefused, match="waits for edge-2, at most 1 h"):
            rotate(directory, force=force)
    assert tickets.read(directory, "edge") == before
    assert selectors.generation("edge") == generation


def rotate_wholly(directory: Path, *, force: bool = False) -> None:
    generation = rotate(directory, force=force)
    acknowledge("edge-1", generation)
    acknowledge("edge-2", generation)
    assert turn(directory) is not None


def test_rotations_in_a_row_end_no_ticket_and_one_that_would_is_refused_unless_forced(
    directory: Path,
) -> None:
    first = tickets.read(directory, "edge").encrypting.secret
    for _ in range(MOST_RETIRED):
        rotate_wholly(directory)
        assert first in tickets.read(directory, "edge").served
    with pytest.raises(RotationRefused, match=f"{MOST_RETIRED} old keys still decrypt"):
        rotate(directory)
    rotate_wholly(directory, force=True)
    served = tickets.read(directory, "edge").served
    assert (len(served), first in served) == (MOST_RETIRED + 1, False)


def test_a_rotation_begins_by_itself_when_the_key_is_old(directory: Path) -> None:
    assert turn(directory, after(hours=11)) is None
    assert turn(directory, after(hours=12)) == selectors.generation("edge")
    assert tickets.read(directory, "edge").joining is not None


def test_a_push_that_was_lost_after_the_file_was_written_is_made_again(directory: Path) -> None:
    """The transaction that gave the generation did not commit."""
    generation = rotate(directory)
    models.Tier.objects.update(generation=generation - 1)
    assert turn(directory) == generation
    assert tickets.read(directory, "edge").generation == selectors.generation("edge")


def test_the_audit_names_the_keys_and_holds_none(directory: Path) -> None:
    generation = rotate(directory)
    acknowledge("edge-1", generation)
    acknowledge("edge-2", generation)
    turn(directory)
    turn(directory, after(hours=24))
    entries = [entry for entry in audit.entries(target="edge") if entry.action.startswith("tickets.")]
    assert [(entry.action, entry.actor, entry.reason) for entry in entries] == [
        ("tickets.drop", "tickets", "the tickets that it made have run out"),
        ("tickets.encrypt", "tickets", "every proxy has the new key"),
        ("tickets.join", "ann", "leaked"),
    ]
    told = json.dumps([entry.detail for entry in entries])
    assert not [
        key for key in tickets.read(directory, "edge").served if base64.b64encode(key).decode()[:12] in told
    ]
