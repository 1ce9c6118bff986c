"""Describes objectives: frozen rows for pages, the API and the apps above. Asks Prometheus nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from proxy import selectors as proxy_selectors
from slo.domain import indicators, wording
from slo.domain import objectives as domain
from slo.domain import policy as policies
from slo.domain import rule_tests as testing
from slo.domain.budget import originator
from slo.domain.policy import Demanded
from slo.domain.readings import burn_promql, burns_promql
from slo.domain.windows import LONG, MIDDLE, SHORT
from slo.models import Budget, Objective
from telemetry.domain.promql import duration

DRAWN = ("5m", "1h", "6h", "3d")
"""The windows whose burns a chart draws."""


class UnknownObjective(LookupError):
    """There is no objective with this number."""


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """An objective with its latest state. Shares are 0 to 1; a figure that is None is no data.

    `left` is 1 when nothing is spent and below 0 past the end; `spent_proxy`, `spent_backend` and
    `spent_other` (of neither) are whose failures spent the rest. Corrections and maintenance took
    `excluded_total` events out of `total`, and `excluded_bad` out of the bad ones; with them
    `left_uncorrected` would be left. Until `maintained_until` nobody is told anything new. `state` is ok,
    burning (`told` by page or ticket), spent (nothing is left, though too little burns now to tell) or
    no_data. `exhausted_in` is zero when it is gone. `coverage` is the measured share of the period. `since`
    is when the state began; for `no_data` when data ended. `problem` says why an objective cannot be
    measured. `demand` is what the tier's budget policy demands since it was told: nothing, tell, approve or
    freeze.
    """

    id: int
    tier: str
    route: str
    upstream: str
    name: str
    kind: str
    description: str
    promise: str
    target: Decimal
    threshold_us: int | None
    period: timedelta
    calendar: str
    owner: str
    severity: str
    runbook: str
    problem: str
    state: str
    since: datetime | None
    why: str
    looked_at: datetime | None
    data_at: datetime | None
    total: float | None
    bad_proxy: float | None
    bad_backend: float | None
    bad_other: float | None
    left: float | None
    excluded_total: float | None
    excluded_bad: float | None
    left_uncorrected: float | None
    maintained_until: datetime | None
    spent_proxy: float | None
    spent_backend: float | None
    spent_other: float | None
    originator: str
    coverage: float | None
    burn_5m: float | None
    burn_1h: float | None
    exhausted_in: timedelta | None
    demand: str
    firing: bool
    told: str
    fired_at: datetime | None
    incident_id: int | None

    @property
    def bad(self) -> float | None:
        made = (self.bad_proxy, self.bad_backend, self.bad_other)
        return None if self.total is None else sum(each or 0 for each in made)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window: its events, its burn, how much of it was measured, and the PromQL of the burn."""

    window: str
    burn: float | None
    total: float | None
    bad_proxy: float | None
    bad_backend: float | None
    bad_other: float | None
    coverage: float | None
    promql: str


@dataclass(frozen=True, slots=True)
class AlertTierRow:
    """One alert tier: it fires when both burns pass `factor`. `why` says what keeps it from firing.

    `threshold` is the ratio of bad events at that burn, `spends` the share of the budget that is gone by
    then. A total outage fires it after `outage_after_s` seconds, and `over_after_s` after its end it is over.
    """

    name: str
    severity: str
    long: str
    short: str
    factor: float
    threshold: float
    spends: float
    outage_after_s: float
    over_after_s: float
    long_burn: float | None
    short_burn: float | None
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class ObjectiveDetail:
    """An objective with everything under it. `too_loose_for`: route objectives that it endangers (O1), and
    `arithmetic` says why of each."""

    row: ObjectiveRow
    windows: tuple[WindowRow, ...]
    tiers: tuple[AlertTierRow, ...]
    too_loose_for: tuple[str, ...]
    arithmetic: tuple[str, ...]
    budget_promql: str
    burns_promql: str


def objectives(tier: str | None = None) -> list[ObjectiveRow]:
    """The declared objectives, of one tier or of all."""
    found = Objective.objects.live().select_related("budget")
    return [row_of(record) for record in (found.filter(tier=tier) if tier else found)]


def demanded(tier: str, route: str = "") -> Demanded:
    """What the tier's budget policy demands of a change of `route`, by the objectives that page for it.

    Those are its own and the tier's. A budget that was never measured demands nothing. Raises UnknownTier.
    """
    budgets = Budget.objects.filter(
        objective__in=Objective.objects.live().filter(
            tier=tier, severity="page", upstream="", problem="", route__in={"", route}
        ),
        left__isnull=False,
        coverage__isnull=False,
    ).select_related("objective")
    policy = proxy_selectors.base(tier).budget_policy
    return policies.demanded(policy, [held.standing for held in budgets])


def strictest_availability(tier: str, route: str) -> Decimal | None:
    """The highest target (0 to 1) for answers of the route, declared for itself or for its whole tier."""
    found = Objective.objects.live().filter(
        tier=tier,
        kind__in=("route_availability", "backend_availability"),
        upstream="",
        problem="",
        route__in={"", route},
    )
    return max(found.values_list("target", flat=True), default=None)


def rule_tests(tier: str, name: str) -> list[testing.Files]:
    """What `promtool test rules` proves of a declared objective's alerts. Raises UnknownObjective."""
    record = Objective.objects.live().filter(tier=tier, name=name).first()
    if record is None:
        raise UnknownObjective(f"there is no objective {tier}/{name}")
    return testing.files(record.plain())


def told_of(*, tier: str, sli: str, route: str, upstream: str, target: str, period: str) -> ObjectiveRow:
    """The objective that an alert of Prometheus tells of, by the alert's labels. Raises UnknownObjective.

    Several that promise the same are one alert: the one that was declared first stands for them.
    """
    found = Objective.objects.live().select_related("budget")
    for record in found.filter(tier=tier, route=route, upstream=upstream).order_by("pk"):
        plain = record.plain()
        promise = (indicators.sli(plain), f"{plain.target.normalize():f}", duration(plain.period))
        if promise == (sli, target, period):
            return row_of(record)
    raise UnknownObjective(f"no objective of {tier} promises {target} of {sli} over {period} any more")


def objective(objective_id: int) -> ObjectiveDetail:
    """One objective, a retired one too. Raises UnknownObjective."""
    record = Objective.objects.select_related("budget").filter(pk=objective_id).first()
    if record is None:
        raise UnknownObjective(f"there is no objective {objective_id}")
    plain, held = record.plain(), _budget(record)
    others = [other.plain() for other in Objective.objects.live().filter(tier=record.tier)]
    loose = domain.too_loose(plain, others)
    facts = {fact["window"]: fact for fact in (held.windows if held else [])}
    spans = sorted({*SHORT, *MIDDLE, *LONG, *domain.rolling(plain)})
    return ObjectiveDetail(
        row=row_of(record),
        windows=tuple(_window(plain, span, facts.get(duration(span), {})) for span in spans),
        tiers=tuple(_telling(plain, held.tiers if held else [])),
        too_loose_for=tuple(other.name for other in loose),
        arithmetic=tuple(domain.arithmetic(plain, other) for other in loose),
        budget_promql="" if plain.calendar else f"1 - {burn_promql(plain, plain.period)}",
        burns_promql=burns_promql(plain, DRAWN),
    )


def _budget(record: Objective) -> Budget | None:
    return getattr(record, "budget", None)


def _window(plain: domain.Objective, span: timedelta, fact: dict[str, Any]) -> WindowRow:
    return WindowRow(
        window=duration(span),
        burn=fact.get("burn"),
        total=fact.get("total"),
        bad_proxy=fact.get("bad_proxy"),
        bad_backend=fact.get("bad_backend"),
        bad_other=fact.get("bad_other"),
        coverage=fact.get("coverage"),
        promql=burn_promql(plain, span),
    )


_DECLARED = (
    "tier", "route", "upstream", "name", "kind", "description", "target", "threshold_us", "calendar", "owner",
    "severity", "runbook", "problem",
)  # fmt: skip
_SEEN = (
    "state", "since", "looked_at", "data_at", "total", "bad_proxy", "bad_backend", "bad_other", "left",
    "excluded_total", "excluded_bad", "left_uncorrected", "maintained_until", "coverage", "exhausted_in",
    "demand", "firing", "told", "fired_at", "incident_id",
)  # fmt: skip
"""What a row says as the record does: of the objective, and of its budget."""


def row_of(record: Objective) -> ObjectiveRow:
    """The row of an objective whose budget was read with it."""
    plain = record.plain()
    held = _budget(record) or Budget(state=Budget.State.NO_DATA, why="not looked at yet")
    burns = {fact["window"]: fact["burn"] for fact in held.windows}
    return ObjectiveRow(
        id=record.pk,
        promise=wording.promise(plain),
        period=plain.period,
        why=record.problem or held.why,
        spent_proxy=_spent(plain, held.bad_proxy, held.total),
        spent_backend=_spent(plain, held.bad_backend, held.total),
        spent_other=_spent(plain, held.bad_other, held.total),
        originator=originator(held.counts),
        burn_5m=burns.get("5m"),
        burn_1h=burns.get("1h"),
        **{name: getattr(record, name) for name in _DECLARED},
        **{name: getattr(held, name) for name in _SEEN},
    )


def _telling(plain: domain.Objective, facts: Iterable[Mapping[str, Any]]) -> Iterator[AlertTierRow]:
    """The alert tiers that can tell of it: one whose severity is ticket never pages."""
    rows = (AlertTierRow(**fact) for fact in facts)
    return (row for row in rows if row.severity in (plain.severity, "ticket"))


def _spent(plain: domain.Objective, bad: float | None, total: float | None) -> float | None:
    if bad is None or not total:
        return None
    return bad / total / float(plain.allowed)
