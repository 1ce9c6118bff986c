"""The pages of drills in a real browser: wide and narrow, light and dark, without a complaint."""

from pathlib import Path
from typing import Any

import pytest

from runbooks.drills import reporting
from tests.drills.found import kept, outcome
from tests.pages.conftest import Desk

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_pages_of_drills_are_read_without_a_complaint(desk: Desk, width: int, dark: bool) -> None:
    number = kept()
    with desk.reader(width=width, dark=dark) as reader:
        for name, path in {"drills": "/drills/", "drill": f"/drills/{number}/"}.items():
            page = reader.open(path)
            if name == "drill":
                page.locator(".plot-drawn").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            reader.picture(f"{name}-{width}")
        assert reader.complaints == []


def test_a_report_is_read_as_a_file_alone(desk: Desk, tmp_path: Path, settings: Any) -> None:
    settings.VAR = tmp_path
    file = reporting.write(outcome(1).as_data())
    page = desk.browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(file.as_uri())
    page.locator(".plot .main-svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
