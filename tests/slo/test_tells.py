"""What people are told: a page, a ticket or nothing, and what inhibits what."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

import alerts.selectors
from alerts.models import Alert
from audit.domain.actor import Actor
from slo import selectors, services
from slo.domain.alerting import Judged, Verdict
from slo.domain.readings import QUERIES
from slo.domain.tells import Before, Page, tells
from slo.domain.windows import TIERS
from slo.models import Objective
from telemetry.domain.errors import MetricsUnavailable
from telemetry.memory import InMemoryMetrics
from tests.slo.recorded import NOW, SPANS, Traffic, only, recorded, tier

BY = Actor(name="ann", source="cli")
PAGES = only("route_availability", "0.995")
TICKETS = replace(PAGES, severity="ticket")
NEW = Before()
LONG_AGO = NOW - timedelta(days=1)


def judged(*verdicts: Verdict) -> Sequence[Judged]:
    """Of the fast and the slow page, and of the fast and the slow ticket."""
    return [
        Judged(tier, Decimal(1), None, None, verdict) for tier, verdict in zip(TIERS, verdicts, strict=True)
    ]


BURNS = judged("fires", "clear", "fires", "fires")
SLOWLY = judged("clear", "clear", "fires", "clear")
SLOWEST = judged("clear", "clear", "clear", "fires")
CALM = judged("clear", "clear", "clear", "clear")
UNKNOWN = judged("unknown", "unknown", "unknown", "unknown")


def told(tiers: Sequence[Judged], before: Before = NEW, *, quiet: bool = False) -> tuple[str, bool]:
    return tells(PAGES, tiers, before, quiet=quiet, now=NOW)


def test_a_page_inhibits_its_tickets() -> None:
    assert told(BURNS) == ("page", True)
    assert told(BURNS, Before("ticket")) == ("page", True)


def test_a_ticket_is_told_where_nothing_pages() -> None:
    assert told(SLOWLY) == ("ticket", True)
    assert told(CALM, Before("ticket")) == ("", False)


def test_an_objective_of_severity_ticket_never_pages() -> None:
    assert tells(TICKETS, BURNS, Before(), quiet=False, now=NOW) == ("ticket", True)
    assert tells(TICKETS, BURNS, Before("page"), quiet=False, now=NOW) == ("ticket", True)


@pytest.mark.parametrize("before", ["", "ticket", "page"])
def test_no_data_changes_nothing(before: str) -> None:
    held = Before(before, LONG_AGO)  # type: ignore[arg-type]

    assert told(UNKNOWN, held) == (before, False)


def test_a_ticket_waits_until_its_short_window_holds_nothing_that_paged() -> None:
    def after(hours: float, tiers: Sequence[Judged]) -> str:
        return told(tiers, Before("", NOW - timedelta(hours=hours)))[0]

    assert [after(hours, SLOWLY) for hours in (0, 1.9, 2)] == ["", "", "ticket"]
    assert [after(hours, SLOWEST) for hours in (2, 5.9, 6)] == ["", "", "ticket"]
    # The tick at which a page ends is the first of those.
    assert told(SLOWLY, Before("page", NOW)) == ("", False)


def test_maintenance_holds_back_what_is_new_and_not_what_was_told() -> None:
    assert told(BURNS, quiet=True) == ("", False)
    assert told(SLOWLY, quiet=True) == ("", False)
    assert told(BURNS, Before("page", NOW), quiet=True) == ("page", True)
    assert told(SLOWLY, Before("ticket"), quiet=True) == ("ticket", True)
    # A ticket that was told does not become a page meanwhile.
    assert told(BURNS, Before("ticket"), quiet=True) == ("ticket", True)


def test_a_page_of_the_tier_explains_what_counts_the_same_of_a_part() -> None:
    page = Page(only("proxy_availability", "0.9995"), "proxy")

    assert page.explains(PAGES, "proxy")
    assert page.explains(PAGES, "both")
    assert not page.explains(PAGES, "backend")
    assert not page.explains(only("added_latency", "0.99", threshold_us=3000), "proxy")
    assert not page.explains(replace(PAGES, tier="other"), "proxy")


# The whole tick.


def history(lately: Traffic, before: Traffic, *, hours: int, after: timedelta) -> InMemoryMetrics:
    """What is recorded when traffic was as `lately` for some hours, and as `before` until then."""
    declared = [row.plain() for row in Objective.objects.live().filter(problem="")]
    metrics = InMemoryMetrics()
    for query in (QUERIES.events, QUERIES.bad):
        recent, old = (
            {_key(sample.labels): sample for sample in _of(traffic, declared).vector(query, at=NOW)}
            for traffic in (lately, before)
        )
        share = {_window(span): min(1.0, timedelta(hours=hours) / span) for span in SPANS}
        metrics.answer(
            query,
            [
                (
                    sample.labels,
                    share[sample.labels["window"]] * sample.value
                    + (1 - share[sample.labels["window"]]) * old[key].value,
                )
                for key, sample in recent.items()
            ],
        )
    rest = recorded(lately, of=declared, scraped=NOW + after)
    for query in (QUERIES.coverage, QUERIES.scraped):
        metrics.answer(query, [(sample.labels, sample.value) for sample in rest.vector(query, at=NOW)])
    metrics.otherwise(())
    return metrics


def _of(traffic: Traffic, declared: Sequence[object]) -> InMemoryMetrics:
    return recorded(traffic, of=declared)  # type: ignore[arg-type]


def _key(labels: object) -> str:
    return str(sorted(dict(labels).items()))  # type: ignore[call-overload]


def _window(span: timedelta) -> str:
    hours = span // timedelta(hours=1)
    if span < timedelta(hours=1):
        return f"{span // timedelta(minutes=1)}m"
    return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"


def tick(lately: Traffic, before: Traffic, *, hours: int, after: timedelta) -> None:
    services.tick(metrics=history(lately, before, hours=hours, after=after), now=NOW + after)


TIER_AND_SHOP = [
    {"name": "tier", "kind": "proxy_availability", "target": 99.95},
    {"name": "shop", "kind": "route_availability", "target": 99, "route": "shop", "severity": "ticket"},
]
CALMLY, SLOW, FAST = Traffic(), Traffic(backend=0.02), Traffic(backend=0.5)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def declared(db: None) -> None:
    services.sync(tier=tier(), by=BY, now=NOW)


def firing() -> list[str]:
    return sorted(alert.rule for alert in Alert.objects.filter(state="FIRING"))


def test_a_ticket_that_becomes_a_page_is_one_incident_that_ends_with_the_page(declared: None) -> None:
    tick(SLOW, SLOW, hours=1, after=timedelta(0))
    (ticket,) = alerts.selectors.open_incidents()
    assert (ticket.severity, firing()) == ("ticket", ["slo_ticket"])

    tick(FAST, SLOW, hours=1, after=MINUTE)
    (page,) = alerts.selectors.open_incidents()
    assert (page.id, page.severity, firing()) == (ticket.id, "page", ["slo_burn"])
    assert page.title.startswith("shop-availability burns 100x over 1h")

    # The page is over, though the day still burns fast enough for a ticket.
    tick(CALMLY, SLOW, hours=6, after=2 * MINUTE)
    assert (alerts.selectors.open_incidents(), firing()) == ([], [])


def test_after_a_page_what_goes_on_slowly_is_a_ticket(declared: None) -> None:
    tick(FAST, CALMLY, hours=3, after=timedelta(0))
    tick(SLOW, FAST, hours=6, after=MINUTE)
    assert firing() == []

    tick(SLOW, FAST, hours=6, after=2 * MINUTE + timedelta(hours=2))

    assert firing() == ["slo_ticket"]


def test_a_page_of_the_tier_keeps_its_routes_tickets_back(db: None) -> None:
    services.sync(tier=tier(objectives=TIER_AND_SHOP), by=BY, now=NOW)
    ours = Traffic(proxy=0.05)

    tick(ours, ours, hours=1, after=timedelta(0))

    (incident,) = alerts.selectors.open_incidents()
    assert (incident.severity, incident.route, firing()) == ("page", "", ["slo_burn"])
    (shop,) = (row for row in selectors.objectives() if row.name == "shop")
    assert shop.why.startswith("told with the page of tier")

    # Nor are they told of one by one when it ends.
    tick(CALMLY, ours, hours=6, after=MINUTE)
    tick(CALMLY, ours, hours=6, after=2 * MINUTE)
    assert firing() == []


def test_what_the_backends_fail_is_no_part_of_the_tiers_page(db: None) -> None:
    services.sync(tier=tier(objectives=TIER_AND_SHOP), by=BY, now=NOW)
    both = Traffic(proxy=0.05, backend=0.9)

    tick(both, both, hours=1, after=timedelta(0))

    assert firing() == ["slo_burn", "slo_ticket"]


def test_a_ticket_goes_on_without_data(declared: None) -> None:
    tick(SLOW, SLOW, hours=1, after=timedelta(0))
    away = InMemoryMetrics()
    away.fail(MetricsUnavailable("stopped"))

    services.tick(metrics=away, now=NOW + MINUTE)

    assert firing() == ["slo_ticket"]


def test_a_ticket_of_an_objective_that_is_retired_is_over(declared: None) -> None:
    tick(SLOW, SLOW, hours=1, after=timedelta(0))

    services.sync(tier=tier("payments"), by=BY, now=NOW + MINUTE)

    assert firing() == []
