"""Releases: waves of rollouts. A wave begins when each rollout of the one before is promoted, baked with it.

A member is a rollout like every other one, started by a key of its own: a worker that dies between two
members leaves the rest to the next tick. Rows are taken in the order release, rollout, tier.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

import proxy.selectors
from audit import services as audit
from audit.domain.actor import Actor, automation
from canary.domain import states, waves
from canary.domain.errors import KeyReused, LiveRollout, NotNow, Refused, UnknownRelease
from canary.domain.states import WrongState
from canary.models import Member, Release
from canary.services import acting, starting
from proxy.domain.errors import ProxyError

logger = logging.getLogger(__name__)
WAVES = automation("waves")
BACK = ("rolling_back", "rolled_back")


def release(*, document: Mapping[str, Any], key: str = "", by: Actor, now: datetime) -> int:
    """Begin the release that the document declares, or find what its key began; returns its number.

    Every member of every wave is checked before anything begins. Raises BadFile with every mistake in the
    file, and a `Refused` whose field is the path in the file.
    """
    declared = waves.read(document, key=key)
    known = begun(declared)
    if known is not None:
        return known
    found = checked(declared)
    try:
        with transaction.atomic():
            return _begin(declared, found, by=by, now=now)
    except IntegrityError as error:
        # The database is the judge of a race between two starts by one key.
        try:
            again = begun(declared)
        except KeyReused as other:
            raise other from error
        if again is None:
            raise
        return again


def begun(declared: waves.Release) -> int | None:
    """The number of the release that the key began already. Raises KeyReused where that one is another."""
    known = Release.objects.filter(key=declared.key).first()
    if known is None:
        return None
    if waves.Release.model_validate(known.declared) != declared:
        raise KeyReused("release.key", f"began release {known.pk} already, which was declared otherwise")
    return known.pk


def checked(declared: waves.Release) -> list[Member]:
    """Every member of every wave, checked; none is saved. Raises a `Refused` with the path in the file."""
    found: list[Member] = []
    seen: dict[tuple[str, str], str] = {}
    for number, wave in enumerate(declared.waves):
        for place, one in enumerate(wave.rollouts):
            path = f"release.waves.{number}.rollouts.{place}"
            member = _member(declared, one, path, number, place)
            where = (member.tier, member.route_name)
            if where in seen:
                raise Refused(f"{path}.route", f"stands in {seen[where]} already")
            seen[where] = path
            found.append(member)
    return found


def _member(declared: waves.Release, one: waves.Member, path: str, number: int, place: int) -> Member:
    plan, mode = one.plan if one.plan is not None else declared.plan, one.mode or declared.mode
    try:
        _, where = starting.check(one.route, one.upstream, plan, mode)
    except LiveRollout as error:
        # It may have ended when a later wave begins.
        if number == 0:
            raise LiveRollout(f"{path}.{error.field}", error.why) from error
        where = proxy.selectors.route(one.route)
    except Refused as error:
        raise Refused(_place(path, one, error.field), error.why) from error
    return Member(wave=number, place=place, tier=where.tier, route_name=where.name, upstream=one.upstream)


def _place(path: str, one: waves.Member, field: str) -> str:
    inherited = (field.startswith("plan") and one.plan is None) or (field == "mode" and one.mode is None)
    return f"release.{field}" if inherited else f"{path}.{field}"


def _begin(declared: waves.Release, members: Sequence[Member], *, by: Actor, now: datetime) -> int:
    said = declared.reason or f"{len(members)} rollouts in {len(declared.waves)} waves"
    begun = Release.objects.create(
        key=declared.key,
        declared=declared.model_dump(mode="json"),
        state="running",
        reason=said,
        created_at=now,
        created_by=by.name,
    )
    for member in members:
        member.release = begun
    Member.objects.bulk_create(members)
    _record(begun, "started", by=by, reason=said, now=now)
    return begun.pk


def tick_releases(*, now: datetime) -> int:
    """Take every release further; returns how many were looked at."""
    numbers = list(Release.objects.live().order_by("pk").values_list("pk", flat=True))
    for number in numbers:
        try:
            _advance(number, now)
        except Exception as error:  # the tick's boundary: one bad release stops no other
            logger.exception("release %s could not be taken further", number)
            Release.objects.filter(pk=number).update(problem=f"{type(error).__name__}: {error}")
    return len(numbers)


def _advance(number: int, now: datetime) -> None:
    with transaction.atomic():
        found = _locked(number)
        members = _rows(found)
        if found.state in ("running", "paused") and _failed(found, members, now):
            members = _rows(found)
        if found.state == "running" and all(_ended(one) for one in _of_wave(found, members)):
            _next(found, now)
            members = _rows(found)
    if found.state == "running":
        for one in _of_wave(found, members):
            if one.rollout is None:
                _start(number, one, now)
    elif found.state == "rolling_back":
        _take_back(found, members, now)


def _locked(number: int) -> Release:
    found = Release.objects.select_for_update().filter(pk=number).first()
    if found is None:
        raise UnknownRelease("release", f"there is no release {number}")
    return found


def _rows(found: Release) -> list[Member]:
    return list(found.members.select_related("rollout"))


def _of_wave(found: Release, members: Sequence[Member]) -> list[Member]:
    return [one for one in members if one.wave == found.wave]


def _ended(one: Member) -> bool:
    return one.rollout is not None and one.rollout.state == "promoted"


def _failed(found: Release, members: Sequence[Member], now: datetime) -> bool:
    """One member that goes back takes its wave with it, and the waves before as it was declared."""
    lost = [one for one in members if one.rollout is not None and one.rollout.state in BACK]
    if not lost:
        return False
    first = lost[0]
    keeps = found.declared["on_failure"] == "keep"
    wave = _name(found, first.wave)
    scope = f"wave {wave} goes back" if keeps else f"wave {wave} and those before go back"
    why = f"{first.upstream} on {first.tier}/{first.route_name} went back; {scope}"
    reason = first.rollout.reason if first.rollout else ""
    _move(found, "fail", by=WAVES, reason=f"{why}: {reason}", now=now, back_to=first.wave if keeps else 0)
    return True


def _next(found: Release, now: datetime) -> None:
    said = f"each rollout of wave {_name(found, found.wave)} is promoted and baked"
    if found.wave + 1 == len(found.declared["waves"]):
        _move(found, "finish", by=WAVES, reason=said, now=now)
    else:
        _move(found, "next_wave", by=WAVES, reason=said, now=now, wave=found.wave + 1)


def _name(found: Release, wave: int) -> str:
    return str(found.declared["waves"][wave]["name"])


def _start(number: int, one: Member, now: datetime) -> None:
    """Begin one member, if the release still wants it. What is in the way is tried again at the next tick."""
    with transaction.atomic():
        found = _locked(number)
        if found.state != "running" or found.wave != one.wave:
            return
        declared = waves.Release.model_validate(found.declared)
        asked = declared.waves[one.wave].rollouts[one.place]
        try:
            begun = starting.start(
                route=f"{one.tier}/{one.route_name}",
                upstream=one.upstream,
                plan=asked.plan if asked.plan is not None else declared.plan,
                mode=asked.mode or declared.mode,
                reason=f"wave {_name(found, one.wave)} of release {declared.key}: {found.reason}",
                key=f"release-{found.pk}-{one.wave}-{one.place}",
                by=Actor(found.created_by, "automation"),
                now=now,
            )
        except Refused as error:
            Member.objects.filter(pk=one.pk).update(problem=f"{error.field}: {error.why}")
            return
        except ProxyError as error:
            Member.objects.filter(pk=one.pk).update(problem=f"the tier refuses it: {error}")
            return
        Member.objects.filter(pk=one.pk).update(rollout=begun, problem="")


def _take_back(found: Release, members: Sequence[Member], now: datetime) -> None:
    """Roll back what lives and undo what was promoted, each by itself; the release ends when all are back."""
    scope = [one for one in members if one.wave >= found.back_to and one.rollout is not None]
    for one in scope:
        _take_one_back(one, found.reason, now)
    with transaction.atomic():
        again = _locked(found.pk)
        if again.state == "rolling_back" and all(
            one.rollout is not None and one.rollout.state == "rolled_back" for one in scope
        ):
            _move(again, "verify", by=WAVES, reason=again.reason, now=now)


def _take_one_back(one: Member, why: str, now: datetime) -> None:
    rollout = one.rollout
    if rollout is None or rollout.state in BACK:
        return
    undo = acting.undo if rollout.state == "promoted" else acting.rollback
    problem = ""
    try:
        undo(rollout_id=rollout.pk, by=WAVES, reason=why, now=now)
    except (Refused, WrongState) as error:
        problem = str(error)
    Member.objects.filter(pk=one.pk).update(problem=problem)


def act_on_release(*, release_id: int, event: str, by: Actor, reason: str = "", now: datetime) -> None:
    """What a person does to a release as a whole: pause, resume, roll_back or close.

    A pause holds its live rollouts and begins no wave, and a resume lifts that pause alone: a rollout that a
    metric or a person paused stays paused. A rollback takes back every wave. Raises UnknownRelease and
    WrongState, and NotNow for a close that would leave a rollout going on by itself.
    """
    with transaction.atomic():
        found = _locked(release_id)
        if event not in waves.allowed(found.state):
            raise WrongState(found.state, event)
        if event == "close":
            _refuse_untried(found)
        said = f"{event.replace('_', ' ')} by {by.name}" + (f": {reason}" if reason else "")
        more = {"back_to": 0} if event == "roll_back" else {}
        before = found.reason
        _move(found, event, by=by, reason=said, now=now, **more)
        for one in _rows(found):
            _pass_on(one, event, before, by=by, reason=said, now=now)


def _refuse_untried(found: Release) -> None:
    """A rollback only writes down what the next tick does: nobody takes a member back after a close.

    One that lives must be on its way back. One that was promoted must have been refused its way back.
    """
    for one in _rows(found):
        rollout = one.rollout
        if rollout is None or one.wave < found.back_to or rollout.state in BACK:
            continue
        if rollout.state != "promoted" or not one.problem:
            where = f"{one.upstream} on {one.tier}/{one.route_name}"
            why = one.problem or "wait for the next tick"
            raise NotNow("release", f"rollout {rollout.pk} of {where} is not on its way back yet: {why}")


def approve_release(*, release_id: int, by: Actor, reason: str = "", now: datetime) -> int:
    """Approve each rollout that waits for it; returns how many. Raises as `act_on_release`, and Refused.

    A release that is paused or goes back keeps its rollouts where they are: its approvals wait.
    """
    with transaction.atomic():
        found = _locked(release_id)
        if found.state != "running":
            raise WrongState(found.state, "approve")
        waiting = [
            one.rollout
            for one in _rows(found)
            if one.rollout is not None and one.rollout.state == "awaiting_approval"
        ]
        if not waiting:
            raise NotNow("release", "no rollout of it waits for an approval")
        for rollout in waiting:
            acting.approve(rollout_id=rollout.pk, by=by, reason=reason, now=now)
        return len(waiting)


def _pass_on(one: Member, event: str, before: str, *, by: Actor, reason: str, now: datetime) -> None:
    """`before`: the release's reason until now, which a rollout that was paused with it has too."""
    do = {"pause": acting.pause, "resume": acting.resume}.get(event)
    rollout = one.rollout
    if do is None or rollout is None or event not in states.ROLLOUT[rollout.state]:
        return
    if event == "pause" or (rollout.state == "paused" and rollout.reason == before):
        do(rollout_id=rollout.pk, by=by, reason=reason, now=now)


def _move(found: Release, event: str, *, by: Actor, reason: str, now: datetime, **changes: Any) -> None:
    """The transition and its audit row. The caller holds the release's row."""
    came_from, found.state = found.state, waves.after(found.state, event)
    found.reason, found.problem = reason, ""
    for name, value in changes.items():
        setattr(found, name, value)
    if found.state not in waves.RELEASE_LIVE:
        found.finished_at = now
    found.save()
    _record(found, event, by=by, reason=reason, now=now, came_from=came_from)


def _record(found: Release, verb: str, *, by: Actor, reason: str, now: datetime, came_from: str = "") -> None:
    audit.record(
        by=by,
        action=f"release.{verb}",
        target=found.subject,
        reason=reason,
        now=now,
        detail={"key": found.key, "from": came_from, "to": found.state, "wave": found.wave},
    )
