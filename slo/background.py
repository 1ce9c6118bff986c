"""Reads what stands behind an objective: what declares and counts it, what spent it, what was left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import alerts.selectors
from alerts.rows import AlertRow
from proxy import selectors as proxy_selectors
from proxy.domain.errors import UnknownRoute, UnknownTier
from slo import exclusions
from slo.counted import running
from slo.domain.corrections import Scope
from slo.domain.declaring import written
from slo.domain.indicators import Made, indicator, place, sli
from slo.domain.objectives import Objective as Plain
from slo.exclusions import CorrectionRow
from slo.models import Objective
from slo.selectors import UnknownObjective
from slo.services.names import CREEP_RULE, RULE, TICKET_RULE

TOLD = (RULE, TICKET_RULE, CREEP_RULE)
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Background:
    """`events` and `bad` are the PromQL that counts it, which `shared_by` objectives have in common;
    `route_id` is the number of its route.

    `spenders` are its alerts in the running period, the newest first; `by_default`: the tier declares none,
    and this is one of those that every tier then has.
    """

    plain: Plain
    yaml: str
    by_default: bool
    events: str
    bad: Mapping[Made, str]
    shared_by: int
    route_id: int | None
    spenders: tuple[AlertRow, ...]
    corrections: tuple[CorrectionRow, ...]


def background(objective_id: int, *, now: datetime) -> Background:
    """A few queries, whatever happened. Raises UnknownObjective."""
    record = Objective.objects.filter(pk=objective_id).first()
    if record is None:
        raise UnknownObjective(f"there is no objective {objective_id}")
    plain, period = record.plain(), running(record.plain(), now)
    counted = indicator(plain)
    fired = alerts.selectors.fired(rules=TOLD, since=period.start, until=now, tier=plain.tier)
    corrected = [row for row in exclusions.corrections(tier=plain.tier) if _is_of(row, plain)]
    return Background(
        plain=plain,
        yaml=written(plain),
        by_default=_by_default(plain.tier),
        events=counted.events,
        bad=counted.bad,
        shared_by=_alike(plain),
        route_id=_route(plain),
        spenders=tuple(row for row in reversed(fired) if _told(row, plain))[:SHOWN],
        corrections=tuple(row for row in corrected if row.ends_at > period.start)[:SHOWN],
    )


def _alike(plain: Plain) -> int:
    """How many objectives count the same: a rule is of every place of one sort."""
    same = Objective.objects.live().filter(sli=sli(plain))
    where = place(plain)
    if where == "tier":
        return same.filter(route="", upstream="").count()
    return same.exclude(**{where: ""}).count()


def _route(plain: Plain) -> int | None:
    """Its number: its name may stand in another tier, too."""
    try:
        return proxy_selectors.route(f"{plain.tier}/{plain.route}").id if plain.route else None
    except UnknownRoute:
        return None


def _by_default(tier: str) -> bool:
    try:
        return not proxy_selectors.base(tier).objectives
    except UnknownTier:
        return False


def _told(row: AlertRow, plain: Plain) -> bool:
    return (row.tier, row.labels.get("objective")) == (plain.tier, plain.name)


def _is_of(row: CorrectionRow, plain: Plain) -> bool:
    return Scope(row.tier, row.route, row.objective).covers(plain)
