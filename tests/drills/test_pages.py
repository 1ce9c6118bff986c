"""The list of drills, a report, and the report as a file."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.domain.roles import Role
from runbooks.drills import reporting
from runbooks.services import drilling
from tests.drills.found import kept, outcome
from tests.drills.world import ANN, NOW
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> Client:
    client = Client()
    client.force_login(person(Role.VIEWER))
    return client


def test_the_list_names_each_drill_its_command_and_its_last_report(reader: Client) -> None:
    number = kept()
    page = reader.get("/drills/").content.decode()
    assert "make drill DRILL=hol-backend" in page
    assert "never drilled" in page
    assert f'href="/drills/{number}/"' in page


def test_the_list_takes_as_many_queries_for_many_reports_as_for_one(
    reader: Client, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    kept()
    with django_assert_max_num_queries(8) as few:
        reader.get("/drills/")
    for _ in range(100):
        kept()
    with django_assert_num_queries(len(few.captured_queries)):
        reader.get("/drills/")


def test_a_report_shows_both_sides_what_held_and_how_fast_the_runbook_was(reader: Client) -> None:
    page = reader.get(f"/drills/{kept()}/").content.decode()
    assert "Defence held: yes. Runbook held: yes." in page
    assert "27.00" in page
    assert "13.50" in page
    assert "Every proxy acknowledged the remedy" in page
    assert '"axis": "elapsed"' in page


def test_the_runbooks_page_shows_its_last_drills(reader: Client) -> None:
    number = kept()
    assert f'href="/drills/{number}/"' in reader.get("/runbooks/retry-storm/").content.decode()
    assert "Never drilled" in reader.get("/runbooks/slo-burn/").content.decode()


def test_a_drill_under_way_says_what_it_is_at_and_its_end_brings_the_whole_page(reader: Client) -> None:
    report = drilling.begin(name="brownout", runbook="brownout", by=ANN, now=NOW)
    drilling.go_on(report, doing="side 1 of 2", now=timezone.now())
    live = reader.get(f"/drills/{report}/live/")
    assert "side 1 of 2" in live.content.decode()
    assert "HX-Refresh" not in live.headers
    drilling.break_off(report, trouble="it was interrupted", by=ANN, now=NOW)
    ended = reader.get(f"/drills/{report}/live/")
    assert ended.headers["HX-Refresh"] == "true"
    assert "It broke off: it was interrupted" in ended.content.decode()


def test_the_file_needs_nothing_beside_it(tmp_path: Path, settings: Any) -> None:
    settings.VAR = tmp_path
    page = reporting.write(outcome(3).as_data())
    text = page.read_text()
    assert "src=" not in text.replace(reporting.PLOTLY.read_text(), "")
    assert 'href="' not in text.replace(reporting.PLOTLY.read_text(), "")
    assert json.loads(page.with_suffix(".json").read_text())["held"] is True


def test_only_the_newest_files_are_kept(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR = tmp_path
    monkeypatch.setattr(reporting, "KEPT", 2)
    for report in (1, 2, 3):
        reporting.write(outcome(report).as_data())
    assert not reporting.file(1, "retry-storm", "html").exists()
    assert reporting.file(3, "retry-storm", "html").exists()


def test_the_file_is_sent_to_be_kept_and_not_shown_here(
    reader: Client, tmp_path: Path, settings: Any
) -> None:
    settings.VAR = tmp_path
    number = kept()
    reporting.write(outcome(number).as_data())
    answer = reader.get(f"/drills/{number}/report.html")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="drill-{number}-retry-storm.html"'
    assert answer.content.startswith(b"<!doctype html>")
    assert reader.get(f"/drills/{number}/report.py").status_code == 404
