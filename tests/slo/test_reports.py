"""An owner's month: what was promised, what was kept, what spent the rest."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import alerts.services
from access.domain.roles import Role
from audit.domain.actor import Actor
from slo import reports, services
from slo.domain.burn import Counts
from slo.domain.corrections import Scope
from slo.domain.report import LeftOut, Line, Report, SpentBy
from slo.domain.report_texts import as_csv, as_markdown, share
from slo.domain.spans import Span
from slo.models import DailyCount, HourlyCount, Objective
from slo.services.names import RULE
from tests.slo.recorded import only, tier
from tests.support.people import bearer, person

BY = Actor(name="ann", source="cli")
MARCH = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)
FIRED = datetime(2026, 3, 10, 9, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOP = {"name": "shop", "kind": "route_availability", "route": "shop", "target": 99, "owner": "shop team"}


@pytest.fixture
def filled(db: None) -> Objective:
    services.sync(tier=tier(objectives=[SHOP]), by=BY, now=MARCH.start)
    one = Objective.objects.get()
    DailyCount.objects.create(
        objective=one,
        day=FIRED.date(),
        events=11_000,
        bad_proxy=10,
        bad_backend=70,
        excluded_events=1000,
        excluded_bad_backend=30,
        covered=86_400,
    )
    DailyCount.objects.create(objective=one, day=NOW.date(), events=5000, bad_proxy=5000, covered=86_400)
    hours = {8: 5, 9: 20, 10: 5, 15: 20}
    for at, bad in hours.items():
        HourlyCount.objects.create(
            objective=one, hour=FIRED.replace(hour=at, minute=0), events=1000, bad_backend=bad, covered=3600
        )
    fired = {"rule": RULE, "labels": {"tier": "edge", "objective": "shop", "route": "shop"}, "by": BY}
    alerts.services.signal(
        severity="page", originator="backend", summary="shop burns 20x", numbers={}, action="", runbook="",
        cause=RULE, now=FIRED, **fired,  # type: ignore[arg-type]  # one table for both
    )  # fmt: skip
    alerts.services.clear(why="over", now=FIRED + HOUR, **fired)  # type: ignore[arg-type]  # as above
    services.correct(
        scope=Scope("edge", "shop"),
        span=Span(FIRED + 6 * HOUR, FIRED + 7 * HOUR),
        by=BY,
        reason="a load test",
        now=NOW,
    )
    return one


def march() -> Line:
    return reports.report("shop team", "2026-03", now=NOW).lines[0]


class TestMonth:
    def test_what_was_kept_is_without_what_was_left_out(self, filled: Objective) -> None:
        line = march()

        assert (line.corrected.total, line.corrected.bad) == (Decimal(10_000), Decimal(50))
        assert (line.achieved, line.kept) == (Decimal("0.995"), True)
        assert line.achieved_uncorrected == 1 - Decimal(80) / 11_000
        assert (line.spent, line.spent_proxy, line.spent_backend) == (
            Decimal("0.5"),
            Decimal("0.1"),
            Decimal("0.4"),
        )

    def test_the_incidents_that_spent_it_say_how_much(self, filled: Objective) -> None:
        (incident,) = march().incidents

        assert (incident.title, incident.span) == ("shop burns 20x", Span(FIRED, FIRED + HOUR))
        # 30 of the 100 that a month of 10,000 events allows: the hours 8, 9 and 10, and not that of 15.
        assert incident.spent == Decimal("0.3")

    def test_what_was_left_out_says_by_whom_and_why(self, filled: Objective) -> None:
        (left_out,) = march().left_out

        assert (left_out.kind, left_out.by, left_out.reason) == ("correction", "ann", "a load test")

    def test_a_month_that_runs_is_told_so_far(self, filled: Objective) -> None:
        found = reports.report("shop team", "2026-04", now=NOW)

        assert found.so_far
        assert found.lines[0].kept is False
        assert found.coverage(found.lines[0]) == pytest.approx(Decimal("0.667"), abs=Decimal("0.001"))

    def test_a_month_without_counts_is_neither_kept_nor_broken(self, filled: Objective) -> None:
        DailyCount.objects.all().delete()

        found = reports.report("shop team", "2026-03", now=NOW)

        assert (found.kept, found.broken, found.lines[0].achieved) == (0, 0, None)

    @pytest.mark.parametrize(
        ("owner", "month", "says"),
        [
            ("shop team", "2026-3", "written like 2026-03"),
            ("shop team", "2027-01", "still to come"),
            ("nobody", "2026-03", "owned no objective"),
            ("shop team", "2026-01", "owned no objective"),
        ],
    )
    def test_what_is_not_there_says_so(self, filled: Objective, owner: str, month: str, says: str) -> None:
        with pytest.raises(reports.UnknownReport, match=says):
            reports.report(owner, month, now=NOW)

    def test_the_number_of_queries_does_not_grow(self, filled: Objective) -> None:
        asked = []
        for routes in (10, 300):
            names = [f"r{i}" for i in range(routes)]
            more = [{**SHOP, "name": name, "route": name} for name in names]
            services.sync(tier=tier("shop", *names, objectives=[SHOP, *more]), by=BY, now=MARCH.start)
            with CaptureQueriesContext(connection) as captured:
                assert len(reports.report("shop team", "2026-03", now=NOW).lines) == routes + 1
            asked.append(len(captured))

        assert asked == [6, 6]

    def test_owners_and_their_months_are_listed(self, filled: Objective) -> None:
        (row,) = reports.owners(now=NOW)

        assert (row.owner, row.objectives, row.months) == ("shop team", 1, ("2026-04", "2026-03"))


def written(**more: Any) -> Report:
    counts = Counts(Decimal(1000), bad_proxy=Decimal(2), bad_backend=Decimal(3))
    line = Line(1, only("route_availability", "0.99"), counts, measured=31 * timedelta(days=1), **more)
    return Report(more.pop("owner", "shop"), MARCH, MARCH.end, (line,))


class TestTexts:
    def test_csv_is_a_line_an_objective_under_names(self) -> None:
        (row,) = csv.DictReader(io.StringIO(as_csv(written())))

        assert (row["objective"], row["target"], row["achieved"], row["kept"]) == (
            "it",
            "0.99",
            "0.995",
            "yes",
        )
        assert (row["budget_spent"], row["spent_by_proxy"], row["measured"]) == ("0.5", "0.2", "1")

    def test_what_nobody_is_known_to_have_made_is_spent_by_neither(self) -> None:
        counts = Counts(Decimal(100), bad_proxy=Decimal(1), bad_other=Decimal(2))
        found = Report("shop", MARCH, MARCH.end, (Line(1, only("route_availability", "0.99"), counts),))

        assert next(csv.DictReader(io.StringIO(as_csv(found))))["spent_by_neither"] == "2"
        assert "| 300 % | 100 % | 0 % | 200 % | 3 of 100 |" in as_markdown(found)

    def test_csv_runs_no_formula(self) -> None:
        found = Report("=cmd()", MARCH, MARCH.end, written().lines)

        assert csv.DictReader(io.StringIO(as_csv(found))).__next__()["owner"] == "'=cmd()"

    def test_an_overspent_budget_stays_a_number(self) -> None:
        counts = Counts(Decimal(100), bad_proxy=Decimal(3))
        found = Report("shop", MARCH, MARCH.end, (Line(1, only("route_availability", "0.99"), counts),))

        assert csv.DictReader(io.StringIO(as_csv(found))).__next__()["budget_spent"] == "3"

    def test_markdown_says_the_same_and_what_spent_it(self) -> None:
        span = Span(FIRED, FIRED + HOUR)
        found = written(
            incidents=(SpentBy(7, "shop | burns", span, Decimal("0.3")),),
            left_out=(LeftOut("correction", "edge", span, 3, "ann", "a\nload test"),),
        )

        text = as_markdown(found)

        assert "| edge / it | 99 % | 99.5 % | 50 % | 20 % | 30 % | 0 % | 5 of 1,000 | 100 % |" in text
        assert (
            r"- it: #7 shop \| burns (2026-03-10 09:05 to 2026-03-10 10:05 UTC, 30 % of the month's budget)"
            in text
        )
        assert (
            "- it: correction, 2026-03-10 09:05 to 2026-03-10 10:05 UTC, 3 times, by ann: a load test" in text
        )

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("0.9995", "99.95 %"),
            ("0.99949", "99.949 %"),
            ("0.98999", "98.99 %"),
            ("1", "100 %"),
            ("0.9999999", "99.999 %"),
        ],
    )
    def test_a_broken_promise_is_not_rounded_up_to_a_kept_one(self, value: str, said: str) -> None:
        assert share(Decimal(value)) == said


class TestDoors:
    def test_the_command_prints_it(self, filled: Objective, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("objectives", "report", "shop team", "2026-03")
        call_command("objectives", "report", "shop team", "2026-03", "--csv")
        with pytest.raises(SystemExit):
            call_command("objectives", "report", "nobody", "2026-03")

        said = capsys.readouterr()
        assert "# shop team: objectives in 2026-03" in said.out
        assert "shop team,2026-03,edge,shop," in said.out
        assert "nobody owned no objective in 2026-03" in said.err

    def test_the_page_and_its_files(self, client: Client, filled: Objective) -> None:
        client.force_login(person(Role.VIEWER))

        page = client.get("/reports/shop%20team/2026-03/").content.decode()
        table = client.get("/reports/shop%20team/2026-03.csv")
        text = client.get("/reports/shop%20team/2026-03.md")

        assert "shop team in 2026-03" in page
        assert "99.5 %" in page
        assert "a load test" in page
        assert "shop burns 20x" in page
        assert table["Content-Type"] == "text/csv; charset=utf-8"
        assert 'filename="objectives-shop team-2026-03.csv"' in table["Content-Disposition"]
        assert text.content.decode().startswith("# shop team: objectives in 2026-03")
        assert client.get("/reports/shop%20team/march/").status_code == 404
        assert "/reports/shop%20team/2026-03/" in client.get("/reports/").content.decode()

    def test_the_api_has_the_same(self, client: Client, filled: Objective) -> None:
        headers = bearer(Role.VIEWER)

        (line,) = client.get("/api/v1/reports/shop team/2026-03", headers=headers).json()["lines"]

        assert (line["achieved"], line["kept"], line["spent"]) == (0.995, True, 0.5)
        assert line["incidents"][0]["spent"] == 0.3
        assert client.get("/api/v1/reports/shop team/2031-03", headers=headers).status_code == 404
        assert client.get("/api/v1/reports", headers=headers).json()[0]["owner"] == "shop team"

    @pytest.mark.parametrize("owner", ["team/shop", "team%2Fshop", "a/2026-03/b"])
    def test_an_owner_with_a_slash_is_found(self, client: Client, filled: Objective, owner: str) -> None:
        Objective.objects.update(owner=owner.replace("%2F", "/"))

        found = client.get(f"/api/v1/reports/{owner}/2026-03", headers=bearer(Role.VIEWER))

        assert found.json()["owner"] == owner.replace("%2F", "/")
        assert found.json()["lines"][0]["name"] == "shop"
