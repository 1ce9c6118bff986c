"""Dry runs of files: what applying a rollout's or a release's file would do. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary.domain import declared, waves
from canary.domain.errors import Refused
from canary.services import rehearsing, starting, waving
from canary.services.rehearsing import Rehearsal


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a rollout's file would do. `known`: its key has started that rollout, which would only be found;
    None: `rehearsal` is what would start.
    """

    key: str
    known: int | None
    rehearsal: Rehearsal | None


@dataclass(frozen=True, slots=True)
class RehearsedWave:
    """A wave of a release, with what each of its rollouts would do if it began now."""

    name: str
    rollouts: tuple[Rehearsal, ...]


@dataclass(frozen=True, slots=True)
class ReleaseDryRun:
    """As `DryRun`, of a release. `on_failure` is what becomes of the waves before one that fails."""

    key: str
    known: int | None
    on_failure: str
    waves: tuple[RehearsedWave, ...]


def dry_run(*, document: Mapping[str, Any], key: str = "", now: datetime) -> DryRun:
    """Look at what `apply` would do. Raises what it raises."""
    found = declared.rollout(document, key=key)
    asked: dict[str, Any] = {
        "route": found.route,
        "upstream": found.upstream,
        "plan": found.plan,
        "mode": found.mode,
    }
    try:
        known = starting.started(found.key, **asked)
        rehearsal = None if known is not None else rehearsing.rehearse(**asked, now=now)
    except Refused as error:
        # The kind stays: a conflict is told from a mistake by it.
        error.field = f"rollout.{error.field}"
        raise
    return DryRun(found.key, known, rehearsal)


def dry_run_release(*, document: Mapping[str, Any], key: str = "", now: datetime) -> ReleaseDryRun:
    """Look at what `release` would do, each rollout as if it began now. Raises what it raises."""
    found = waves.read(document, key=key)
    known = waving.begun(found)
    if known is not None:
        return ReleaseDryRun(found.key, known, found.on_failure, ())
    waving.checked(found)
    rehearsed = tuple(
        RehearsedWave(wave.name, tuple(_rehearsed(found, one, number, now) for one in wave.rollouts))
        for number, wave in enumerate(found.waves)
    )
    return ReleaseDryRun(found.key, None, found.on_failure, rehearsed)


def _rehearsed(found: waves.Release, one: waves.Member, number: int, now: datetime) -> Rehearsal:
    return rehearsing.rehearse(
        route=one.route,
        upstream=one.upstream,
        plan=found.plan if one.plan is None else one.plan,
        mode=one.mode or found.mode,
        later=number > 0,
        now=now,
    )


def lines(found: DryRun | ReleaseDryRun) -> list[str]:
    """A dry run to read at a shell."""
    if found.known is not None:
        what = "rollout" if isinstance(found, DryRun) else "release"
        said = f"Nothing was changed. The key {found.key} began {what} {found.known} already:"
        return [f"{said} applying the file finds that one."]
    if isinstance(found, DryRun):
        return rehearsing.rehearsed(found.rehearsal) if found.rehearsal else []
    back = "are kept" if found.on_failure == "keep" else "go back too"
    told = [f"Nothing was changed. Release {found.key}: where a wave fails those before it {back}."]
    for number, wave in enumerate(found.waves, 1):
        told += [f"Wave {number} of {len(found.waves)}, {wave.name}:"]
        told += [f"  {line}" for one in wave.rollouts for line in rehearsing.told(one)]
    return told
