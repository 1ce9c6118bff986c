"""Nothing but the lab is drilled, and nobody drills who may not."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from access.domain.roles import Role
from lab.http import Request, Response
from runbooks.drills.lab import BACKENDS, NoLab, lab
from runbooks.models import DrillReport
from tests.drills.world import declare
from tests.support.people import person
from tests.support.processes import free_port
from tests.support.serving import serving

pytestmark = pytest.mark.django_db


async def faults(request: Request) -> Response:
    """The lab's answer, as far as it is asked here."""
    return Response.of({name: {} for name in BACKENDS})


@pytest.fixture
def url() -> Iterator[str]:
    with serving(faults) as port:
        yield f"http://127.0.0.1:{port}"


def test_the_sample_tier_in_front_of_the_lab_is_drilled(url: str) -> None:
    declare()
    assert lab(url).tier.name == "edge"


def test_a_tier_with_a_backend_that_is_not_the_labs_is_not_drilled(url: str) -> None:
    declare(payments={"address": "10.0.0.7", "port": 443})
    with pytest.raises(NoLab, match=r"not the lab's \(10\.0\.0\.7:443\)"):
        lab(url)


def test_without_a_tier_there_is_nothing_to_drill(url: str) -> None:
    with pytest.raises(NoLab, match="make up"):
        lab(url)


def test_the_command_says_that_no_lab_answers_and_leaves_no_report(settings: Any) -> None:
    declare()
    settings.LAB_URL = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CommandError, match="no lab answers") as caught:
        call_command("drill", "hol-backend")
    assert caught.value.returncode == 2
    assert not DrillReport.objects.exists()


def test_the_page_starts_nothing_where_no_lab_is(settings: Any) -> None:
    settings.LAB_URL = ""
    client = Client()
    client.force_login(person(Role.OPERATOR))
    page = client.post("/drills/hol-backend/start/", follow=True)
    assert "this Sluice runs no lab" in page.content.decode()
    assert not DrillReport.objects.exists()


def test_a_viewer_starts_no_drill(settings: Any) -> None:
    client = Client()
    client.force_login(person(Role.VIEWER))
    assert client.post("/drills/hol-backend/start/").status_code == 403
