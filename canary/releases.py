"""Describes releases: waves, each member's rollout, and on how many proxies its weight was read back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from canary.domain import waves
from canary.domain.errors import UnknownRelease
from canary.domain.outcomes import WANTS_A_PERSON
from canary.models import Member, Release

# What a rollout's evidence weighs is not read here.
MEMBERS = Prefetch("members", Member.objects.select_related("rollout").defer("rollout__evidence"))


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One rollout of a wave. `rollout_id` is None, `state` waiting, until it began. `weight`: basis points.

    `verified` of `proxies` were read back at this weight; both 0 where nothing was pushed. `reason`: what
    it lacks, else why it is in its state. `problem`: why it could not be started or taken back.
    """

    tier: str
    route: str
    upstream: str
    rollout_id: int | None
    state: str
    weight: int
    verified: int
    proxies: int
    reason: str
    problem: str


@dataclass(frozen=True, slots=True)
class WaveRow:
    """One wave; `current` is the one that the release is at."""

    number: int
    name: str
    current: bool
    members: tuple[MemberRow, ...]


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release. `on_failure`: keep or roll_back, what becomes of the waves before one that fails.

    `asks`: it waits for a person. `actions`: what a person may do to all of it.
    """

    id: int
    key: str
    state: str
    on_failure: str
    wave: int
    reason: str
    problem: str
    asks: bool
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    waves: tuple[WaveRow, ...]
    actions: tuple[str, ...]

    @property
    def live(self) -> bool:
        return self.state in waves.RELEASE_LIVE


def releases(*, limit: int = 100) -> list[ReleaseRow]:
    """The newest first."""
    return rows(Release.objects.all()[:limit])


def rows(found: QuerySet[Release]) -> list[ReleaseRow]:
    """In their order; two queries."""
    return [_row(release) for release in found.prefetch_related(MEMBERS)]


def release(release_id: int) -> ReleaseRow:
    """Raises UnknownRelease."""
    found = Release.objects.prefetch_related(MEMBERS).filter(pk=release_id).first()
    if found is None:
        raise UnknownRelease("release", f"there is no release {release_id}")
    return _row(found)


def of_rollout(rollout_id: int) -> tuple[int, str] | None:
    """The number and key of the release that began the rollout; None where none did."""
    found = Member.objects.filter(rollout=rollout_id).values_list("release_id", "release__key").first()
    return (found[0], found[1]) if found else None


def _row(found: Release) -> ReleaseRow:
    members = list(found.members.all())
    rows = tuple(
        WaveRow(number, str(wave["name"]), number == found.wave, _members(members, number))
        for number, wave in enumerate(found.declared["waves"])
    )
    waiting = any(row.state == "awaiting_approval" for wave in rows for row in wave.members)
    allowed = waves.allowed(found.state)
    return ReleaseRow(
        id=found.pk,
        key=found.key,
        state=found.state,
        on_failure=found.declared["on_failure"],
        wave=found.wave,
        reason=found.reason,
        problem=found.problem,
        asks=_asks(found, rows),
        created_at=found.created_at,
        created_by=found.created_by,
        finished_at=found.finished_at,
        waves=rows,
        actions=("approve", *allowed) if waiting and found.state == "running" else allowed,
    )


def _asks(found: Release, rows: Sequence[WaveRow]) -> bool:
    """Whether it, or a rollout of its present wave, goes on only by a person."""
    members = [row for wave in rows for row in wave.members]
    return found.state == "paused" or any(row.problem or row.state in WANTS_A_PERSON for row in members)


def _members(members: Sequence[Member], wave: int) -> tuple[MemberRow, ...]:
    return tuple(_member(one) for one in members if one.wave == wave)


def _member(one: Member) -> MemberRow:
    rollout = one.rollout
    seen = rollout.push.get("proxies", {}) if rollout else {}
    return MemberRow(
        tier=one.tier,
        route=one.route_name,
        upstream=one.upstream,
        rollout_id=rollout.pk if rollout else None,
        state=rollout.state if rollout else "waiting",
        weight=rollout.weight if rollout else 0,
        verified=sum(bool(row["verified"]) for row in seen.values()),
        proxies=len(seen),
        reason=(rollout.problem or rollout.reason) if rollout else "",
        problem=one.problem,
    )
