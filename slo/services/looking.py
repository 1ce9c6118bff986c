"""Looks at each objective: burn, budget, state, alert."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, cast

from django.db import transaction

import alerts.services
from audit.domain.actor import Actor
from slo import counted
from slo.domain import wording
from slo.domain.alert_rules import HEARTBEAT
from slo.domain.budget import originator
from slo.domain.corrections import Exclusion, running
from slo.domain.faults import faults
from slo.domain.looks import Look, Periods, look, plain, tier_facts, window_facts
from slo.domain.readings import QUERIES, Readings, read
from slo.domain.spans import Span
from slo.domain.tells import Before, Page, Told, tells
from slo.domain.windows import SHORT
from slo.exclusions import maintenance
from slo.models import Budget, Objective
from slo.services import writing
from slo.services.names import BY
from slo.services.syncing import sync_all
from slo.services.telling import Telling, tell
from slo.services.writing import Change
from telemetry.domain import catalogue
from telemetry.domain.errors import MetricsError
from telemetry.domain.series import Sample
from telemetry.ports import Metrics

logger = logging.getLogger(__name__)
NOTHING_YET = "nothing is recorded for the tier yet: is it scraped, and are the rules published?"
NOTHING_NEW = "for a minute no proxy of the tier was scraped, or Prometheus did not evaluate the rules"
SAID = 200
"""Characters of a reason that are kept."""
EVERY = timedelta(seconds=15)
# How far ahead the end of a maintenance window is known: they last a week at most.
TELLS_AHEAD = timedelta(days=8)


def tick(*, metrics: Metrics, now: datetime, by: Actor = BY) -> int:
    """Look at every objective once: burn, budget, state, alert. Returns how many burn.

    A constant number of queries, all as of `now`. Without an answer, or with an old one, figures and alerts
    stay as they are and the state says since when there is no data. While maintenance is on, figures go on
    and nobody is told anything new.
    """
    sync_all(by=by, now=now)
    alerts.services.beat(name=HEARTBEAT, now=now, every=EVERY)
    found = Objective.objects.live().filter(problem="")
    # What is about a whole tier is looked at first: it may explain what burns in a part of it.
    rows = sorted(found, key=lambda row: bool(row.route or row.upstream))
    readings, why = _ask(metrics, now)
    around = _Around(_Failures(metrics, now), counted.periods(now), maintenance(Span(now, now + TELLS_AHEAD)))
    held = writing.read(rows, now=now)
    seen = [_looked(row, held[row.pk], readings, why, around, now=now) for row in rows]
    writing.write((each.change for each in seen if not each.told), now=now)
    for each in seen:
        if each.told:
            _told(each, around, by=by, now=now)
    return writing.budgets().filter(firing=True).count()


def _ask(metrics: Metrics, now: datetime) -> tuple[Readings | None, str]:
    """The readings, or why there are none."""
    try:
        return read(
            events=metrics.vector(QUERIES.events, at=now),
            bad=metrics.vector(QUERIES.bad, at=now),
            coverage=metrics.vector(QUERIES.coverage, at=now),
            scraped=metrics.vector(QUERIES.scraped, at=now),
        ), ""
    except MetricsError as error:
        return None, f"Prometheus gave no answer: {error.message}"[:SAID]


@dataclass(frozen=True, slots=True)
class _Around:
    """What a tick knows beside the readings. `pages` are those of whole tiers, as they are found."""

    failures: "_Failures"
    periods: Periods
    maintenance: Sequence[Exclusion]
    pages: list[Page] = field(default_factory=list)

    def explained(self, seen: Look) -> str:
        """The objective of the tier whose page is about what burns here; empty without one."""
        whose = originator(seen.events(seen.leading("ticket")))
        found = (page.objective.name for page in self.pages if page.explains(seen.objective, whose))
        return next(found, "")


class _Failures:
    """What fails now, by reason and backend: one query a tick, and only when something fires."""

    def __init__(self, metrics: Metrics, now: datetime) -> None:
        self._metrics, self._now = metrics, now

    @cached_property
    def all(self) -> tuple[Sample, ...]:
        """Nothing without an answer: a page must not wait for its words."""
        try:
            return self._metrics.vector(catalogue.faults(window=SHORT[0]), at=self._now)
        except MetricsError:
            return ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """One objective at this tick. `look` is None without data; `news`: this tick's figures are told."""

    row: Objective
    change: Change
    look: Look | None = None
    news: bool = False

    @property
    def told(self) -> bool:
        """Whether somebody is, or was, told that it burns."""
        firing = self.change.fields.get("firing") or self.change.held.firing
        return self.look is not None and bool(firing)


def _looked(
    row: Objective, held: Budget, readings: Readings | None, why: str, around: _Around, *, now: datetime
) -> _Seen:
    """`_look`, where what one objective breaks blinds no other: it says so itself, as no data."""
    try:
        return _look(row, held, readings, why, around, now=now)
    except Exception as error:
        logger.exception("%s could not be looked at", row)
        said = f"it could not be looked at: {type(error).__name__}: {error}"[:SAID]
        return _Seen(row, Change(held, _without_data(held, said, None)))


def _told(each: _Seen, around: _Around, *, by: Actor, now: datetime) -> None:
    """`_tell`, where what one objective breaks keeps no other from being told: the next tick tries again."""
    try:
        _tell(each, around, by=by, now=now)
    except Exception:
        logger.exception("nobody could be told of %s", each.row)


def _look(
    row: Objective, held: Budget, readings: Readings | None, why: str, around: _Around, *, now: datetime
) -> _Seen:
    if readings is None:
        return _Seen(row, Change(held, _without_data(held, why, None)))
    stale, last = readings.stale_since(row.tier, now)
    if stale:
        said = NOTHING_NEW if last else NOTHING_YET
        return _Seen(row, Change(held, _without_data(held, said, last)))
    objective = row.plain()
    seen = look(objective, readings, periods=around.periods)
    quiet = running(objective, around.maintenance, now)
    before = Before(cast(Told, held.told), held.paged_at)
    told, news = tells(objective, seen.tiers, before, quiet=bool(quiet), now=now)
    explained = around.explained(seen) if told == "ticket" else ""
    if told == "page" and not (objective.route or objective.upstream):
        around.pages.append(Page(objective, originator(seen.events(seen.leading("page")))))
    if explained and not held.told:
        told = ""
    fields = _with_data(held, seen, last, told, now) | {
        "paged_at": now if told == "page" or explained else held.paged_at,
        "why": _why(seen, quiet, explained),
        "maintained_until": quiet.end if quiet else None,
    }
    return _Seen(row, Change(held, fields), seen, news and not explained)


def _tell(seen: _Seen, around: _Around, *, by: Actor, now: datetime) -> None:
    """What is told is written with what it is told of, or neither is."""
    if seen.look is None:
        return
    found = faults(around.failures.all, seen.look.objective) if seen.news else ()
    fields, before = seen.change.fields, cast(Told, seen.change.held.told)
    what = Telling(seen.row, seen.look, before, fields["told"], fields["left_before"], found)
    with transaction.atomic():
        if writing.write_one(seen.change, now=now):
            tell(what, news=seen.news, by=by, now=now)


def _without_data(held: Budget, why: str, last: datetime | None) -> dict[str, Any]:
    """Only the state changes; `since` is when data ended, and an alert that fires goes on firing."""
    since = held.since if held.state == Budget.State.NO_DATA else last or held.data_at or held.looked_at
    return {"state": Budget.State.NO_DATA, "since": since, "why": why}


def _with_data(held: Budget, seen: Look, last: datetime | None, told: Told, now: datetime) -> dict[str, Any]:
    firing = told != ""
    state = _state(seen, firing=firing)
    counts, left = seen.counts, plain(seen.budget.left if seen.budget else None)
    return {
        "state": state,
        "since": held.since if held.state == state else now,
        "data_at": last,
        "counted": seen.period.over,
        "total": plain(counts.total if counts else None),
        "bad_proxy": plain(counts.bad_proxy if counts else None),
        "bad_backend": plain(counts.bad_backend if counts else None),
        "bad_other": plain(counts.bad_other if counts else None),
        "left": left,
        "excluded_total": plain(seen.period.excluded.total),
        "excluded_bad": plain(seen.period.excluded.bad),
        "left_uncorrected": plain(seen.uncorrected.left if seen.uncorrected else None),
        "coverage": plain(seen.period.coverage),
        "burn_1h": plain(seen.burns[SHORT[-1]]),
        "exhausted_in": seen.exhausted_in,
        "windows": window_facts(seen),
        "tiers": tier_facts(seen),
        "firing": firing,
        "told": told,
        "fired_at": (held.fired_at if held.firing else now) if firing else None,
        "left_before": _left_before(held, seen, told),
    }


def _state(seen: Look, *, firing: bool) -> Budget.State:
    """What is worst of it: a budget that is spent is not well when nothing burns any more."""
    if firing:
        return Budget.State.BURNING
    if seen.budget and seen.budget.left <= 0:
        return Budget.State.SPENT
    return Budget.State.NO_DATA if seen.idle else Budget.State.OK


def _why(seen: Look, quiet: Span | None, explained: str) -> str:
    spent = (
        [f"the budget is {wording.remains(seen.budget.left)}"]
        if seen.budget and seen.budget.left <= 0
        else []
    )
    still = [wording.still(seen.objective, SHORT[0])] if seen.still else []
    told = [f"in maintenance until {quiet.end:%Y-%m-%d %H:%M} UTC, nobody is told"] if quiet else []
    waits = [f"told with the page of {explained}"] if explained else []
    return "; ".join([*told, *waits, *spent, *still])[:SAID]


def _left_before(held: Budget, seen: Look, told: Told) -> float | None:
    """What was left before the failures of the window that fired."""
    if not told or seen.budget is None:
        return None
    if held.firing:
        return held.left_before
    return plain(seen.budget.left + seen.events(seen.leading(told)).bad / seen.budget.allowed)
