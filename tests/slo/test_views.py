"""The pages of objectives without a browser."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import alerts.services
from access.domain.roles import Role
from slo.models import Correction, Objective
from tests.pages import world
from tests.support.answering import answering
from tests.support.people import BY, person

pytestmark = pytest.mark.django_db
NOBODY_LISTENS = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_prometheus(settings: Any) -> None:
    settings.PROMETHEUS_URL = NOBODY_LISTENS
    cache.clear()


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(person(Role.VIEWER))
    return client


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(page: str) -> int:
    return page.count('<th scope="row"')


def test_the_link_of_an_alert_leads_to_its_objective(reader: Client, now: datetime) -> None:
    world.routes(now, 12)

    page = text(reader, "/objectives/?tier=edge&sli=route_availability&route=r0003")

    assert rows(page) == 1
    assert "r0003-availability" in page
    assert "only route <code>r0003</code>" in page


def test_a_list_is_cut_to_a_page_and_leads_on_with_what_narrows_it(reader: Client, now: datetime) -> None:
    world.routes(now, 150)

    first = text(reader, "/objectives/?kind=route_availability&sort=name")
    second = text(reader, "/objectives/?kind=route_availability&sort=name&page=2")

    assert (rows(first), rows(second)) == (100, 50)
    assert "1 to 100 of 150, page 1 of 2" in first
    assert "?kind=route_availability&amp;sort=name&amp;page=2" in first
    assert "r0100-availability" in second


def test_a_live_update_keeps_what_was_asked_for(reader: Client, now: datetime) -> None:
    world.routes(now, 3)

    page = text(reader, "/objectives/live/?state=burning&sort=burn")

    assert 'hx-get="/objectives/live/?state=burning&amp;sort=burn"' in page
    assert 'aria-sort="descending"' in page
    assert "<html" not in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("?page=9", "Page 9 is past the end: there are 1."),
        ("?tier=nowhere", "No objective is like that."),
        ("?state=nonsense&sort=upside-down&page=-1", "5 declared"),
    ],
)
def test_an_address_that_somebody_wrote_by_hand_is_answered(
    asked: str, said: str, reader: Client, now: datetime
) -> None:
    world.routes(now, 3)

    assert said in text(reader, f"/objectives/{asked}")


def test_the_queries_of_the_list_do_not_grow_with_objectives(reader: Client, now: datetime) -> None:
    world.routes(now, 10)
    text(reader, "/objectives/")
    with CaptureQueriesContext(connection) as few:
        text(reader, "/objectives/")
    world.routes(now, 1000)
    with CaptureQueriesContext(connection) as many:
        page = text(reader, "/objectives/")

    assert Objective.objects.live().count() == 1002
    assert (rows(page), len(many)) == (100, len(few))


def of_edge(now: datetime, name: str = "shop-availability") -> Objective:
    world.tier(now)
    world.budgets(now)
    return Objective.objects.get(name=name)


def test_the_page_says_what_is_left_when_it_is_gone_and_what_declares_it(
    reader: Client, now: datetime
) -> None:
    row = of_edge(now)

    page = text(reader, f"/objectives/{row.pk}/")

    assert "99.9 % of requests to route shop succeed." in page
    assert "<dt>Left</dt><dd>13.0 %" in page
    assert "at the fastest of the recent burns" in page
    assert "name: shop-availability\n  kind: route_availability\n  target: 99.9\n  route: shop" in page
    assert "in the tier's YAML" in page


def test_without_prometheus_the_page_still_has_what_was_counted(reader: Client, now: datetime) -> None:
    row = of_edge(now)

    page = text(reader, f"/objectives/{row.pk}/")

    assert page.count("Prometheus does not answer") == 2
    assert 'id="plot-burn-down"' in page
    assert "sluice:sli_bad:count" in page


def test_the_burn_down_goes_on_to_where_each_recent_burn_takes_it(reader: Client, now: datetime) -> None:
    row = of_edge(now)

    chart = reader.get(f"/objectives/{row.pk}/charts/burn-down.json").json()

    lines = {trace["name"]: trace["points"] for trace in chart["series"]}
    assert list(lines) == ["budget left", *(f"at the burn of {window}" for window in ("1h", "6h", "3d"))]
    assert len(lines["budget left"]) == 13
    assert lines["budget left"][-1][1] == pytest.approx(13)
    assert [lines["at the burn of 1h"][0][1], lines["at the burn of 1h"][1][1]] == [pytest.approx(13), 0]


def test_a_young_objective_is_drawn_by_the_hour(reader: Client, now: datetime) -> None:
    row = of_edge(now)
    row.days.all().delete()

    chart = reader.get(f"/objectives/{row.pk}/charts/burn-down.json").json()

    points = chart["series"][0]["points"]
    assert (len(points), points[0][1]) == (21, 100)


def test_what_spent_a_budget_leads_to_its_incident(reader: Client, now: datetime) -> None:
    row = of_edge(now)
    incident = alerts.services.signal(
        rule="slo_burn",
        labels={"tier": "edge", "objective": row.name, "route": "shop"},
        severity="page",
        originator="backend",
        summary="shop-availability burns 20x over 1h",
        numbers={},
        action="",
        runbook="slo-burn",
        cause="slo_burn",
        by=BY,
        now=now,
    )

    page = text(reader, f"/objectives/{row.pk}/")

    assert f'<a href="/incidents/{incident}/">Incident {incident}</a><p>shop-availability burns 20x' in page


def test_what_is_left_out_of_a_budget_says_by_whom_and_why(reader: Client, now: datetime) -> None:
    row = of_edge(now)
    Correction.objects.create(
        tier="edge",
        starts_at=now - timedelta(hours=3),
        ends_at=now - timedelta(hours=2),
        by="ann",
        reason="load test",
        created_at=now,
    )

    assert "<p>ann: load test</p>" in text(reader, f"/objectives/{row.pk}/")


@pytest.mark.parametrize("path", ["/objectives/77/", "/objectives/77/charts/burn.json"])
def test_an_objective_that_is_not_there_is_404(path: str, reader: Client) -> None:
    assert reader.get(path).status_code == 404


def test_what_it_costs_is_measured_once_for_ten_minutes(reader: Client, now: datetime, settings: Any) -> None:
    row = of_edge(now)
    with answering(routes=1) as prometheus:
        settings.PROMETHEUS_URL = prometheus.url
        page = text(reader, f"/objectives/{row.pk}/")
        first = len(prometheus.asked)
        prometheus.asked.clear()
        text(reader, f"/objectives/{row.pk}/")

    assert page.count('data-label="Samples">7<') == 5
    assert "all that count it" in page
    assert (first, len(prometheus.asked)) == (6, 0)


def test_the_queries_of_the_page_do_not_grow_with_objectives(reader: Client, now: datetime) -> None:
    row = of_edge(now, "proxy-availability")
    path = f"/objectives/{row.pk}/"
    text(reader, path)
    cache.clear()
    with CaptureQueriesContext(connection) as few:
        text(reader, path)
    world.routes(now, 300)
    text(reader, path)
    cache.clear()
    with CaptureQueriesContext(connection) as many:
        text(reader, path)

    assert len(many) == len(few)
