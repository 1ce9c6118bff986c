"""What tests of real processes have done in a Django process of its own: see tests.support.elsewhere."""

import os
import random
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.utils import timezone

import audit.selectors
from access.domain.roles import Role
from alerts import outbox, selectors, services, slack
from alerts.domain.buttons import Button
from alerts.models import ChannelHold, Offer, Outbox
from audit.domain.actor import Actor, automation
from tests.alerts.pressing import linked

JUDGE, ANN = automation("judge"), Actor("ann", "web")
ROUTES = 12


def prepare() -> None:
    """A database with an operator and a viewer who are linked."""
    call_command("migrate", verbosity=0)
    linked()
    linked(Role.VIEWER, "vic", "U3VIC")


def fire(route: str) -> int:
    return _fire(route, timezone.now())


def _fire(route: str, now: datetime) -> int:
    return services.signal(
        rule="canary-failed",
        labels={"tier": "edge", "route": route},
        severity="page",
        originator="backend",
        summary=f"{route} fails",
        numbers={},
        action="",
        runbook="canary-rolled-back",
        cause="canary",
        by=JUDGE,
        now=now,
    )


def state(number: int) -> str:
    row = selectors.incident(number)
    return row.state if row is not None else "none"


def acknowledged() -> list[list[str]]:
    """Actor and source of each acknowledgement, the oldest first."""
    return [[row.actor, row.source] for row in reversed(audit.selectors.entries(action="incident.acked"))]


def deliver(seconds: float = 0) -> int:
    """One round of sending, as the worker has it, so many seconds from now."""
    return services.deliver(chat=slack.from_settings(), now=timezone.now() + timedelta(seconds=seconds))


def rows() -> list[dict[str, Any]]:
    return [
        {"key": row.key, "op": row.op, "state": row.state, "text": row.payload["text"]}
        for row in Outbox.objects.order_by("id")
    ]


def clear() -> None:
    for kept in (Outbox, Offer, ChannelHold):
        kept.objects.all().delete()


def lock(seconds: float) -> None:
    """Hold SQLite's one writer for a while; returns at once, with the lock held."""
    held = threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            held.set()
            time.sleep(seconds)  # what is tested is how long others wait for it
            cursor.execute("ROLLBACK")
        connections.close_all()

    threading.Thread(target=hold, daemon=True).start()
    held.wait(5)


class Clock:
    """Time that runs `speed` times as fast, from one start for all processes."""

    def __init__(self, began: float, speed: float) -> None:
        self._began, self._speed = began, speed

    def now(self) -> datetime:
        passed = time.time() - self._began
        return datetime(2026, 3, 1, 3, 0, tzinfo=UTC) + timedelta(seconds=passed * self._speed)


def change(count: int, began: float, speed: float, every: float) -> dict[str, str]:
    """So many changes of state, each with its messages, on a few routes in turn. What the first message of each
    incident must say in the end, by its route.
    """
    clock = Clock(began, speed)
    for number in range(count):
        _change(number % ROUTES, number // ROUTES, clock.now())
        time.sleep(every)  # the pace of the changes; nothing is waited for
    return {row.route: row.state for row in selectors.incidents(limit=ROUTES)}


def _change(route: int, turn: int, now: datetime) -> None:
    """Opens, is acknowledged, asks, is answered, is resolved, and begins anew."""
    name = f"route-{route:02d}"
    number = _fire(name, now) if turn % 5 == 0 else _incident(name)
    match turn % 5:
        case 1:
            services.acknowledge(incident_id=number, by=ANN, reason="mine", now=now)
        case 2:
            wanted = [Button("run.approve", route + 100 * turn, "Approve")]
            key, head = f"run/{name}/{turn}/approval", f"Approve {name}?"
            services.tell(key=key, kind="APPROVAL", incident_id=number, heading=head, buttons=wanted, now=now)
        case 3:
            outbox.answered(prefix=f"run/{name}/", said=f"Approved {name}", now=now)
            services.mitigate(incident_id=number, by=JUDGE, reason="the canary has no traffic", now=now)
        case 4:
            services.resolve(incident_id=number, by=ANN, reason="over", now=now)


def _incident(route: str) -> int:
    return next(row.id for row in selectors.incidents(limit=ROUTES) if row.route == route)


def worker(url: str, began: float, speed: float) -> int:
    """A process that sends what is due again and again, until it is killed. Returns its number."""
    connections.close_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent, child = os.getpid(), os.fork()
    if child:
        return child
    try:
        _send_while(parent, url, Clock(began, speed))
    finally:
        os._exit(1)


def _send_while(parent: int, url: str, clock: Clock) -> None:
    random.seed()
    chat = slack.SlackChat(token="xoxb-test", base_url=url, channel="#sluice", buttons=True, timeout=1)
    while os.getppid() == parent:
        try:
            services.deliver(chat=chat, now=clock.now())
        except OperationalError:
            continue
        time.sleep(random.uniform(0, 0.05))  # as uneven as a queue's ticks
